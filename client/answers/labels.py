"""What features are called, and which have near directions.

`pole` is + or - where the dictionary is signed, and tells which pole of the feature is meant; of
others it is None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from saelake.answers.about import metadata
from saelake.answers.answer import Answer
from saelake.answers.plain import asked_feature
from saelake.answers.text import labelled, named
from saelake.answers.view import View
from saelake.store.format.poles import said


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a feature is called, and who says so; `similarity` to the text asked for.

    `corpus` is the one that it was made from (None: imported), and `coverage` the share of the
    feature's activation there that is on its words. `score` says how well its words predict where
    the feature fires, in documents of `scored_on` that it was not made of: the area under the ROC
    curve (.5 is a guess) and its 95 % interval, over `n_positive` documents in which the feature
    fires and `n_negative` others. An imported score (`scored_on` None) is what its maker says.
    """

    feature: int
    pole: str | None = None
    label: str
    explainer: str
    score: float | None
    similarity: float | None
    corpus: str | None = None
    coverage: float | None = None
    score_low: float | None = None
    score_high: float | None = None
    n_positive: int | None = None
    n_negative: int | None = None
    scored_on: str | None = None


class Labels(Answer[Label]):
    """Labels of features; `answering` made those that were compared with the text asked for."""

    called = "labels"

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Label)
        self.answering = metadata(table).get("answering")

    def median(self, column: str) -> float | None:
        """The median of a column of numbers, as `score` or `coverage`; None of none."""
        known = self.to_arrow()[column].drop_null().to_numpy()
        return float(np.median(known)) if len(known) else None

    def best(self, n: int) -> "Labels":
        """The `n` labels whose words predict best where their features fire, the best first.

        Of equal scores the lower feature; labels without a score are left out.
        """
        table = self.to_arrow()
        known = table.filter(table["score"].is_valid())
        best = known.sort_by([("score", "descending"), ("feature", "ascending")])
        return Labels(best.slice(0, n))

    def _view(self, rows: Sequence[Label]) -> View:
        return View(
            header=("feature", "score", "label", "explainer"),
            rows=[
                (named(r.feature, r.pole), r.score, labelled(r.label), r.explainer) for r in rows
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbor:
    """A feature whose decoder direction is near."""

    feature: int
    pole: str | None = None
    cosine: float
    label: str | None


class Neighbors(Answer[Neighbor]):
    """Features with near decoder directions, nearest first; `feature` is that asked about."""

    called = "neighbors"

    def __init__(self, table: pa.Table, *, feature: int | None = None) -> None:
        """`feature` is as a question numbers it (see `format.poles`)."""
        super().__init__(table, Neighbor)
        self.feature = feature

    def _head(self) -> Mapping[str, Any]:
        return {} if self.feature is None else asked_feature(said(self.feature))

    def _view(self, rows: Sequence[Neighbor]) -> View:
        return View(
            header=("feature", "cosine", "label"),
            rows=[(named(n.feature, n.pole), n.cosine, labelled(n.label)) for n in rows],
        )
