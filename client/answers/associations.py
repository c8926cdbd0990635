"""Features and metadata.

`pole` is + or - where the dictionary is signed, and tells which pole of the feature is meant; of
others it is None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from saelake.answers import about
from saelake.answers.answer import Answer
from saelake.answers.drawing import LINES, SIGNIFICANT
from saelake.answers.text import labelled, named
from saelake.answers.view import View
from saelake.store.errors import extra


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """How strongly a feature goes with a column: an AUC, a rank correlation or Moran's I.

    Of several classes it is that of `category` against the rest. The interval of the effect is
    `ci_low` to `ci_high`. `confirmed_` values are of the documents held back, and None for features
    that were not tested again. What could not be compared is None.
    """

    feature: int
    pole: str | None = None
    effect: float | None
    p_value: float | None
    q_value: float | None
    n_documents: int
    label: str | None
    category: str | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    confirmed_effect: float | None = None
    confirmed_p_value: float | None = None
    confirmed_q_value: float | None = None


class Associations(Answer[Association]):
    """Features by how strongly they go with a column; `statistic` says what `effect` is.

    `notes` are sentences that must be read with the numbers, and `about` has all that is said of
    the whole answer.
    """

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Association)
        self.about = about.said(table)
        self.statistic: str = self.about["statistic"]
        self.n: int = self.about["n"]
        self.n_tested: int = self.about["n_tested"]
        self.notes: tuple[str, ...] = self.about.get("notes", ())

    def _head(self) -> Mapping[str, Any]:
        return self.about

    @property
    def head(self) -> str:
        """In a line, what was measured and how."""
        said = f"{self.statistic} over {self.n:,} documents"
        if str(self.about.get("unit", "document")) != "document":
            said += f" of {self.about['n_units']:,} {self.about['unit'].replace('value', 'values')}"
        return f"{said}{about.tested(self.about, 'features') or self._counted}"

    @property
    def _counted(self) -> str:
        return f"; {self.n_tested:,} features"

    def plot(self, *, level: float = SIGNIFICANT, most: int = LINES) -> Any:
        """An `altair.LayerChart`: the effect of each feature with its interval, in the same order.

        Features of q below `level` are marked, and a line says where a feature would say nothing of
        the column: .5 of an AUC, 0 of a correlation, -1 / (n - 1) of Moran's I. Of more than `most`
        features the first are drawn, and the title says so. Raises `InvalidInput`, and
        `MissingExtra` without Altair.
        """
        with extra("plots", "A plot"):
            from saelake.answers.plots.intervals import intervals
        return intervals(self.to_arrow(), self.about, self.head, level=level, most=most)

    def _view(self, rows: Sequence[Association]) -> View:
        return View(
            said=[self.head, *self.notes],
            header=("feature", "effect", "from", "to", "q", "documents", "class", "label"),
            rows=[
                (
                    named(a.feature, a.pole),
                    a.effect,
                    a.ci_low,
                    a.ci_high,
                    a.q_value,
                    a.n_documents,
                    a.category,
                    labelled(a.label),
                )
                for a in rows
            ],
        )
