"""How hypotheses about two sets of texts are made, judged and tested."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from saelake.explaining.claims.decided import AcceptanceRule
from saelake.explaining.claims.proportions import Correction
from saelake.store.errors import InvalidInput
from saelake.store.requests.windows import MOST_TOKENS

MOST_HYPOTHESES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisOptions:
    """What is looked at, and when a hypothesis is accepted.

    The share `held_back` of the documents judges, and chooses nothing. Of the others the features
    with q below `feature_level` are relabelled, the `n_features` that differ most; each by
    `n_shown` texts of both sides, out of `n_pool` of each side. At most `n_hypotheses` are made,
    and each is judged in `n_judged` texts of each side, of which the first `n_tokens` tokens are
    read; excerpts have `n_excerpt`. A hypothesis is accepted whose p-value, corrected by
    `correction` for all that were made, is below `level`.

    `align` names the column by whose values texts of both sides are pairs; `cluster_by` that of
    texts which depend on one another, of which one is judged for each value. Raises `InvalidInput`,
    of everything that is wrong.
    """

    n_features: int = 20
    feature_level: float = 0.05
    n_hypotheses: int = MOST_HYPOTHESES
    n_shown: int = 8
    n_pool: int = 200
    n_judged: int = 100
    n_tokens: int = 512
    n_excerpt: int = 96
    held_back: float = 0.5
    level: float = 0.05
    correction: Correction = "holm"
    align: str | None = None
    cluster_by: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if wrong := list(self._wrong()):
            raise InvalidInput(" ".join(wrong))

    def _wrong(self) -> Iterator[str]:
        for field in fields(self):
            if field.name.startswith("n_") and getattr(self, field.name) < 1:
                yield f"{field.name} is 1 or more, not {getattr(self, field.name)}."
        for name in ("held_back", "level"):
            if not 0 < getattr(self, name) < 1:
                yield f"{name} is a share between 0 and 1, not {getattr(self, name)}."
        if not 0 < self.feature_level <= 1:
            yield f"feature_level is above 0 and at most 1, not {self.feature_level}."
        if self.n_hypotheses > MOST_HYPOTHESES:
            yield f"At most {MOST_HYPOTHESES} hypotheses are made, not {self.n_hypotheses}."
        if self.n_tokens >= MOST_TOKENS:
            yield f"n_tokens is below {MOST_TOKENS:,}, not {self.n_tokens:,}."
        if self.correction not in ("holm", "benjamini-hochberg"):
            yield f"correction is holm or benjamini-hochberg, not {self.correction!r}."
        if self.align is not None and self.cluster_by is not None:
            yield "Documents of one value of align are one unit already: leave out cluster_by."

    @property
    def column(self) -> str | None:
        """The column by whose values documents are shown or held back together."""
        return self.align or self.cluster_by

    @property
    def rule(self) -> AcceptanceRule:
        """When a hypothesis is accepted."""
        paired = self.align is not None
        return AcceptanceRule(level=self.level, correction=self.correction, paired=paired)
