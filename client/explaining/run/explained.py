"""What a run found out about a feature: its label, how good that is, and what made it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from saelake.explaining.scores.estimates import ScoreEstimate
from saelake.language.replies import Reply

ScoringWay = Literal["detection", "fuzzing", "intruder", "simulation", "embedding"]
WhyNot = Literal["unreadable", "failed", "silent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedScore:
    """How good a label is, in one way; `chance` is what a guess has.

    `by` is the model that judged, and `on` the collection. `n_unread` examples were answered in no
    readable way, and are not in the estimate.
    """

    kind: ScoringWay
    estimate: ScoreEstimate
    chance: float
    by: str
    on: str
    n_unread: int = 0

    @property
    def is_above_chance(self) -> bool:
        """Whether the whole interval is above what a guess has."""
        return self.estimate.low > self.chance


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOrigin:
    """What made a label: the model, the hash of its prompt, and the ids of what it was shown.

    Tokens and cost are those of the explanation, when it was asked for; the server's count.
    """

    model: str
    prompt: str
    examples: tuple[str, ...]
    n_prompt_tokens: int
    n_completion_tokens: int
    cost: float | None
    time: datetime

    @classmethod
    def of(
        cls, replies: tuple[Reply, ...], *, prompt: str, examples: tuple[str, ...], time: datetime
    ) -> "LabelOrigin":
        """That of an explanation which took these replies."""
        costs = [reply.cost for reply in replies]
        return cls(
            model=replies[-1].model,
            prompt=prompt,
            examples=examples,
            n_prompt_tokens=sum(reply.n_prompt_tokens for reply in replies),
            n_completion_tokens=sum(reply.n_completion_tokens for reply in replies),
            cost=None if None in costs else sum(cost or 0.0 for cost in costs),
            time=time,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedFeature:
    """A feature as questions name it, what it is called, and the scores of that.

    `made` is None where the label was there before. `is_scored` is False where a score that was
    asked for is missing, as the judge did not answer or the budget was spent.
    """

    feature: int | str
    label: str
    explainer: str
    scores: tuple[JudgedScore, ...] = ()
    made: LabelOrigin | None = None
    is_scored: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UnexplainedFeature:
    """A feature that has no label of this run, and why: what was said could not be read (twice), no
    answer came, or it fires in no document that may be shown.
    """

    feature: int | str
    why: WhyNot
    reason: str


FeatureOutcome = ExplainedFeature | UnexplainedFeature
