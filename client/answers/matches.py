"""Features of two dictionaries that do the same.

`pole` is + or - where the dictionary is signed, and tells which pole of the feature is meant; of
others it is None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from saelake.answers import about
from saelake.answers.answer import Answer
from saelake.answers.text import both_labelled, named
from saelake.answers.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A feature of a, and one of b that does the same; counts are of tokens."""

    feature_a: int
    pole_a: str | None = None
    feature_b: int
    pole_b: str | None = None
    score: float
    n_a: int | None
    n_b: int | None
    n_both: int | None
    label_a: str | None
    label_b: str | None


class Matches(Answer[Match]):
    """Features of one dictionary and those of another that do the same.

    `notes` are sentences that must be read with the answer: what is left out.
    """

    called = "matches"

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Match)
        self.notes: tuple[str, ...] = about.said(table).get("notes", ())

    def _head(self) -> Mapping[str, Any]:
        return {"notes": self.notes}

    def _view(self, rows: Sequence[Match]) -> View:
        return View(
            said=self.notes,
            header=("a", "b", "score", "labels"),
            rows=[
                (
                    named(m.feature_a, m.pole_a),
                    named(m.feature_b, m.pole_b),
                    m.score,
                    both_labelled(m.label_a, m.label_b),
                )
                for m in rows
            ],
        )
