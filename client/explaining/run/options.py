"""How features are explained and scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args

from saelake.explaining.evidence import PASSAGES, EvidenceOptions
from saelake.explaining.explainers import MAX_TOKENS, Way
from saelake.explaining.run.explained import ScoringWay
from saelake.store.errors import InvalidInput
from saelake.store.requests.commands.labels import check_explainer

PLAIN = EvidenceOptions()
DEFAULT_SCORES: tuple[ScoringWay, ...] = ("detection", "fuzzing")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions:
    """How features are explained, in which ways labels are scored, and who is said to have made
    them.

    `explainer` is the model's name where it is not said. `evidence` depends on the way where it is
    not said. `scores` are of `ScoringWay`; `embedding` needs a `sentence_model`, which is run in
    this process. `seed` asks for other answers to the same prompts. Raises `InvalidInput`.
    """

    way: Way = "default"
    thoughts: bool = False
    scores: tuple[ScoringWay, ...] = DEFAULT_SCORES
    explainer: str | None = None
    evidence: EvidenceOptions | None = None
    sentence_model: str | None = None
    max_tokens: int = MAX_TOKENS
    temperature: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if unknown := [score for score in self.scores if score not in get_args(ScoringWay)]:
            known = ", ".join(get_args(ScoringWay))
            raise InvalidInput(f"There is no score {', '.join(unknown)}: there are {known}.")
        if len(set(self.scores)) < len(self.scores):
            raise InvalidInput("Name each score once.")
        if self.way not in get_args(Way):
            raise InvalidInput(f"A way to explain is {', '.join(get_args(Way))}: not {self.way!r}.")
        if self.thoughts and self.way != "default":
            raise InvalidInput("A chain of thought is asked for in the default way alone.")
        if ("embedding" in self.scores) != (self.sentence_model is not None):
            raise InvalidInput("A score by embedding, and it alone, needs a sentence model.")
        if self.explainer is not None:
            check_explainer(self.explainer)

    @property
    def shown(self) -> EvidenceOptions:
        """How much evidence there is to be."""
        return self.evidence or (PASSAGES if self.way == "passages" else PLAIN)


def scoring_ways(names: Sequence[str]) -> tuple[ScoringWay, ...]:
    """The ways of these names; `none` alone is none, and no name the default ones.

    `ExplainOptions` refuses what is no way.
    """
    if list(names) == ["none"]:
        return ()
    return cast(tuple[ScoringWay, ...], tuple(names)) or DEFAULT_SCORES
