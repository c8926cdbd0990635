"""How hypotheses about two sets of texts are made, judged and tested."""

from collections.abc import Iterator
from dataclasses import dataclass

from saelake.explaining.claims.decided import AcceptanceRule
from saelake.explaining.claims.options import JudgedOptions

MOST_HYPOTHESES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisOptions(JudgedOptions):
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
    n_pool: int = 200
    n_judged: int = 100
    align: str | None = None
    cluster_by: str | None = None

    def _also_wrong(self) -> Iterator[str]:
        if not 0 < self.feature_level <= 1:
            yield f"feature_level is above 0 and at most 1, not {self.feature_level}."
        if self.n_hypotheses > MOST_HYPOTHESES:
            yield f"At most {MOST_HYPOTHESES} hypotheses are made, not {self.n_hypotheses}."
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
