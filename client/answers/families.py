"""Families of features that fire together.

`pole` is + or - where the dictionary is signed, and tells which pole of the feature is meant; of
others it is None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from saelake.answers import about
from saelake.answers.answer import Answer
from saelake.answers.text import labelled, named
from saelake.answers.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Features that fire in the same documents, the most frequent first.

    `poles` tell which pole of each is meant, where the dictionary is signed.
    """

    family: int
    n_features: int
    n_pairs: int
    mean_npmi: float
    features: tuple[int, ...]
    poles: tuple[str, ...] | None = None
    labels: tuple[str | None, ...]

    @classmethod
    def of(
        cls,
        *,
        features: Sequence[int],
        poles: Sequence[str] | None = None,
        labels: Sequence[str | None],
        **row: Any,
    ) -> Self:
        """The family of a row."""
        signs = None if poles is None else tuple(poles)
        return cls(features=tuple(features), poles=signs, labels=tuple(labels), **row)

    @property
    def names(self) -> tuple[int | str, ...]:
        """What the features are called: numbers, or those of their poles."""
        signs = self.poles or (None,) * len(self.features)
        return tuple(map(named, self.features, signs))


class Families(Answer[Family]):
    """Families of features, largest first.

    `notes` are sentences that must be read with the numbers, and `about` has all that is said of
    the whole answer.
    """

    called = "families"

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Family.of)
        self.about = about.said(table)
        self.notes: tuple[str, ...] = self.about.get("notes", ())

    def _head(self) -> Mapping[str, Any]:
        return self.about

    @property
    def head(self) -> str:
        """In a line, over what pairs were counted, and what was controlled for."""
        return f"over {about.units(self.about)}{about.tested(self.about, 'pairs')}"

    def _view(self, rows: Sequence[Family]) -> View:
        return View(
            said=[*([self.head] if "n" in self.about else []), *self.notes],
            header=("size", "mean NPMI", "features", "label of the first"),
            rows=[
                (
                    f.n_features,
                    f.mean_npmi,
                    ", ".join(map(str, f.names[:8])),
                    labelled(f.labels[0]),
                )
                for f in rows
            ],
        )
