"""What a run did: how many features it explained, how good the labels are, and what it took."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from saelake.answers.plain import plain
from saelake.answers.text import lasting, one_line, several
from saelake.answers.view import View
from saelake.explaining.run.explained import (
    ExplainedFeature,
    FeatureOutcome,
    JudgedScore,
    ScoringWay,
    UnexplainedFeature,
)
from saelake.language.amounts import Spending

SHOWN = 20  # features that a text of the report shows


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSummary:
    """Of how many labels there is a score of a kind, their median, and how many are certainly
    better than a guess: those whose interval is above it as a whole.
    """

    kind: ScoringWay
    n: int
    median: float
    n_above_chance: int

    @classmethod
    def of(cls, kind: ScoringWay, scores: Sequence[JudgedScore]) -> "ScoreSummary":
        """That of scores of a kind, at least one."""
        return cls(
            kind=kind,
            n=len(scores),
            median=float(np.median([score.estimate.value for score in scores])),
            n_above_chance=sum(score.is_above_chance for score in scores),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainReport:
    """What was found of features, and what finding it took.

    `spent` is what all that was asked under the run's name took so far, and `taken` what of it this
    time; `n_cached` of `n_replies` replies were there already. `n_written` labels are in the lake.
    `n_chosen` features were to be explained; where that is more than `outcomes` has, `stopped` says
    why.
    """

    collection: str
    explainer: str
    n_chosen: int
    outcomes: tuple[FeatureOutcome, ...]
    n_written: int
    spent: Spending
    taken: Spending
    n_replies: int
    n_cached: int
    seconds: float
    stopped: str | None = None

    @property
    def explained(self) -> list[ExplainedFeature]:
        """Those that have a label, in the order in which they were chosen."""
        return [each for each in self.outcomes if isinstance(each, ExplainedFeature)]

    @property
    def n_stood(self) -> int:
        """How many labels and all their scores were in the lake already."""
        return sum(each.is_scored and not each.is_new for each in self.explained)

    @property
    def n_unread(self) -> int:
        """How many examples were judged in no readable way."""
        return sum(each.n_unread for each in self.explained)

    @property
    def unexplained(self) -> list[UnexplainedFeature]:
        """Those that have none."""
        return [each for each in self.outcomes if isinstance(each, UnexplainedFeature)]

    @property
    def n_unscored(self) -> int:
        """How many labels lack a score that was asked for."""
        return sum(not each.is_scored for each in self.explained)

    def n_without(self, why: str) -> int:
        """How many features have no label for this reason."""
        return sum(each.why == why for each in self.unexplained)

    @property
    def scores(self) -> list[ScoreSummary]:
        """Each kind of score over all labels."""
        by_kind: dict[ScoringWay, list[JudgedScore]] = {}
        for each in self.explained:
            for score in each.scores:
                by_kind.setdefault(score.kind, []).append(score)
        return [ScoreSummary.of(kind, scores) for kind, scores in by_kind.items()]

    def to_plain(self) -> dict[str, Any]:
        """The report as one JSON document, with each feature."""
        document: dict[str, Any] = plain(
            {
                "collection": self.collection,
                "explainer": self.explainer,
                "n_chosen": self.n_chosen,
                "n_explained": len(self.explained),
                "n_unreadable": self.n_without("unreadable"),
                "n_failed": self.n_without("failed"),
                "n_silent": self.n_without("silent"),
                "n_unscored": self.n_unscored,
                "n_stood": self.n_stood,
                "n_unread": self.n_unread,
                "n_written": self.n_written,
                "scores": [asdict(summary) for summary in self.scores],
                "taken": _spending(self.taken),
                "spent": _spending(self.spent),
                "n_replies": self.n_replies,
                "n_cached": self.n_cached,
                "seconds": self.seconds,
                "stopped": self.stopped,
                "features": [asdict(each) for each in self.explained],
                "unexplained": [asdict(each) for each in self.unexplained],
            }
        )
        return document

    def to_arrow(self) -> pa.Table:
        """A row for each feature, with each kind of score as a value and its interval."""
        kinds = [summary.kind for summary in self.scores]
        return pa.Table.from_pylist([_row(each, kinds) for each in self.outcomes], _schema(kinds))

    @property
    def view(self) -> View:
        """Its first features, under what is to say of all."""
        kinds = [summary.kind for summary in self.scores]
        rows = [
            (each.feature, *(_value(each, kind) for kind in kinds), one_line(each.label))
            for each in self.explained[:SHOWN]
        ]
        n_more = len(self.explained) - len(rows)
        return View(
            said=[*self.lines, *filter(None, [self.stopped])],
            header=("feature", *kinds, "label") if rows else (),
            rows=rows,
            more=f"… {n_more:,} more" if n_more else "",
        )

    @property
    def lines(self) -> Iterable[str]:
        """What there is to say of all, for people."""
        yield (
            f"{several(len(self.explained), 'feature')} of {self.collection} explained by "
            f"{self.explainer}, {self.n_written:,} labels written{self._without}"
        )
        for s in self.scores:
            yield (
                f"{s.kind}: median {s.median:.2f}, certainly above chance in {s.n_above_chance:,} "
                f"of {s.n:,}"
            )
        if self.n_unread:
            yield f"{self.n_unread:,} examples were judged in no readable way, and count nowhere"
        yield (
            f"It took {self.taken} in {lasting(self.seconds)}; {self.n_cached:,} of "
            f"{self.n_replies:,} replies were there already"
        )

    @property
    def _without(self) -> str:
        counts = {
            "unreadable": self.n_without("unreadable"),
            "without an answer": self.n_without("failed"),
            "with nothing to show": self.n_without("silent"),
            "not wholly scored": self.n_unscored,
            "that stood already": self.n_stood,
        }
        said = [f"{n:,} {what}" for what, n in counts.items() if n]
        return f" ({', '.join(said)})" if said else ""

    def __repr__(self) -> str:
        return str(self.view)


def _row(each: FeatureOutcome, kinds: Sequence[ScoringWay]) -> dict[str, Any]:
    if isinstance(each, UnexplainedFeature):
        return {"feature": str(each.feature), "why": each.why, "reason": each.reason}
    scores = {score.kind: score.estimate for score in each.scores}
    known = {kind: scores[kind] for kind in kinds if kind in scores}
    return {
        "feature": str(each.feature),
        "label": each.label,
        "explainer": each.explainer,
        **{kind: estimate.value for kind, estimate in known.items()},
        **{f"{kind}_low": estimate.low for kind, estimate in known.items()},
        **{f"{kind}_high": estimate.high for kind, estimate in known.items()},
    }


def _schema(kinds: Sequence[ScoringWay]) -> pa.Schema:
    texts = ["feature", "label", "explainer", "why", "reason"]
    numbers = [f"{kind}{end}" for kind in kinds for end in ("", "_low", "_high")]
    return pa.schema(
        [(name, pa.string()) for name in texts] + [(name, pa.float64()) for name in numbers]
    )


def _value(each: ExplainedFeature, kind: ScoringWay) -> float | None:
    return next((s.estimate.value for s in each.scores if s.kind == kind), None)


def _spending(spent: Spending) -> dict[str, Any]:
    return {
        "n_requests": spent.n_requests,
        "n_prompt_tokens": spent.n_prompt_tokens,
        "n_completion_tokens": spent.n_completion_tokens,
        "cost": spent.cost,
        "n_lost": spent.n_lost,
        "lost_tokens_at_most": spent.lost.n_tokens,
    }
