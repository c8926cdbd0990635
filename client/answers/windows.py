"""Tokens around places, and how strongly a feature fires at each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa

from saelake.answers.answer import Answer
from saelake.answers.plain import asked_feature
from saelake.answers.view import View
from saelake.store.format.poles import said
from saelake.store.requests.windows import WindowsQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureWindow:
    """The tokens of a document from position `start` on, and a feature's value at each.

    `place` says of which of the places asked for it is the window. Token i has the characters
    `[token_starts[i], token_starts[i] + token_lengths[i])` of `text`; `values` are 0 where the
    feature does not fire.
    """

    place: int
    doc: int
    id: str
    start: int
    text: str
    token_starts: tuple[int, ...]
    token_lengths: tuple[int, ...]
    values: tuple[float, ...]

    @classmethod
    def of(cls, **row: Any) -> "FeatureWindow":
        """The window of a row."""
        lists: dict[str, Any] = {
            name: tuple(row.pop(name)) for name in ("token_starts", "token_lengths", "values")
        }
        return cls(**row, **lists)

    @property
    def pieces(self) -> tuple[str, ...]:
        """The text, parted by tokens: each has the characters between it and the one before.

        So joined they are the text; a token without characters of its own is empty.
        """
        ends: list[int] = [0]
        for start, length in zip(self.token_starts, self.token_lengths, strict=True):
            ends.append(max(ends[-1], start + length))
        return tuple(self.text[begin:end] for begin, end in pairwise(ends))


class Windows(Answer[FeatureWindow]):
    """Windows of places, in the order that these were asked for in."""

    called = "windows"

    def __init__(self, table: pa.Table, *, features: Sequence[int]) -> None:
        """`features` are numbered as a question does it: one, or one for each place."""
        super().__init__(table, FeatureWindow.of)
        self.features = tuple(features)

    def _head(self) -> Mapping[str, Any]:
        if len(self.features) == 1:
            return asked_feature(said(self.features[0]))
        return {"features": [said(feature) for feature in self.features]}

    def _view(self, rows: Sequence[FeatureWindow]) -> View:
        named = list(dict.fromkeys(map(said, self.features)))
        of = f"feature {named[0]}" if len(named) == 1 else f"{len(named)} features"
        return View(
            said=[f"{len(self)} windows, and {of}"],
            header=("place", "id", "start", "strongest", "text"),
            rows=[
                (w.place, w.id, w.start, max(w.values, key=abs, default=0.0), w.text) for w in rows
            ],
        )


def windows_of(asked: WindowsQuery, table: pa.Table) -> Windows:
    """The answer that a table is to this question."""
    return Windows(table, features=asked.place_features or (asked.feature,))
