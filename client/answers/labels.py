"""What features are called, and which have near directions.

`pole` is + or - where the dictionary is signed, and tells which pole of the feature is meant; of
others it is None.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.answers.about import metadata
from saelake.answers.answer import Answer
from saelake.answers.plain import asked_feature
from saelake.answers.text import labelled, named, one_line
from saelake.answers.view import View
from saelake.store.format.poles import said
from saelake.store.format.provenance import (
    LabelMade,
    LabelScore,
    ScoreKind,
    made_in,
    scores_in,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a feature is called, and who says so; `similarity` to the text asked for.

    `corpus` is the one that it was made from (None: imported), and `coverage` the share of the
    feature's activation there that is on its words. `scores` are all that it was given, of several
    kinds, and `score` with its 95 % interval the one that ranks and filters: of the kind
    `score_kind`, the first of detection, fuzzing, embedding, surprisal, other and words that it
    has; of all of them .5 is a guess and 1 no fault, but two kinds are not compared. That by words
    says how well they predict where the feature fires, in documents of `scored_on` that the label
    was not made of: the area under the ROC curve, over `n_positive` documents in which the feature
    fires and `n_negative` others. `made` says what made the label, and `until` when it was
    replaced or taken back (None: it is said now).
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
    score_kind: ScoreKind | None = None
    scores: tuple[LabelScore, ...] = ()
    made: LabelMade | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, *, scores: Any = None, made: Any = None, **row: Any) -> "Label":
        """The label of a row of an answer."""
        return cls(scores=scores_in(scores), made=made_in(made), **row)

    @property
    def measured(self) -> list[str]:
        """What each of its scores says, as a phrase; the one that ranks first."""
        ordered = sorted(self.scores, key=lambda score: score.kind != self.score_kind)
        return [_measured(score) for score in ordered]


_SAYS: Mapping[ScoreKind, str] = {
    "detection": "texts are told by it with a balanced accuracy of",
    "fuzzing": "marked tokens are told by it with a balanced accuracy of",
    "embedding": "texts near it are those where it fires, with an AUC of",
    "surprisal": "such texts surprise less after it, with an AUC of",
    "other": "its maker gives it a score of",
    "words": "predicts where it fires with an AUC of",
    "intruder": "intruders are found with an accuracy of",
    "simulation": "values simulated by it have a correlation of",
}


def _measured(score: LabelScore) -> str:
    said = f"{_SAYS[score.kind]} {score.value:.2f}"
    if score.low is not None and score.high is not None:
        said += f", 95% interval {score.low:.2f} to {score.high:.2f}"
    return said if score.by is None else f"{said}, judged by {one_line(score.by)}"


class Labels(Answer[Label]):
    """Labels of features; `answering` made those that were compared with the text asked for."""

    called = "labels"

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Label.of)
        self.answering = metadata(table).get("answering")

    @property
    def kinds(self) -> Mapping[str, int]:
        """Of how many labels the score is of each kind."""
        kinds = self.to_arrow()["score_kind"].drop_null().to_pylist()
        return dict(sorted(Counter(kinds).items()))

    def median(self, column: str) -> float | None:
        """The median of a column of numbers, as `score` or `coverage`; None of none."""
        known = self.to_arrow()[column].drop_null().to_numpy()
        return float(np.median(known)) if len(known) else None

    def best(self, n: int) -> "Labels":
        """The `n` labels with the largest scores, the best first.

        Scores of the kind that most labels have, of equally many the first by name: two kinds are
        not compared. Of equal scores the lower feature; labels without a score are left out.
        """
        table, kinds = self.to_arrow(), self.kinds
        kind = max(kinds, key=lambda name: kinds[name], default="")
        known = table.filter(pc.fill_null(pc.equal(table["score_kind"], kind), fill_value=False))
        best = known.sort_by([("score", "descending"), ("feature", "ascending")])
        return Labels(best.slice(0, n))

    def _view(self, rows: Sequence[Label]) -> View:
        return View(
            header=("feature", "score", "of", "label", "explainer"),
            rows=[
                (
                    named(r.feature, r.pole),
                    r.score,
                    r.score_kind or "",
                    labelled(r.label),
                    r.explainer,
                )
                for r in rows
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
