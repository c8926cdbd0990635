"""A group with its name, and how well that tells its documents from others."""

from dataclasses import dataclass
from math import isnan

from saelake.explaining.claims.decided import JudgedHypothesis
from saelake.explaining.naming.evidence import GroupFeature
from saelake.explaining.scores.estimates import UNKNOWN, ScoreEstimate


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedGroup:
    """A cluster or a family of `size` documents or features, its name, and what judges said of it.

    `name` is None where there is none, and `why`. `judged` is None where there is no name, and
    where no document was left to judge it.
    """

    number: int
    size: int
    features: tuple[GroupFeature, ...]
    name: str | None
    why: str
    judged: JudgedHypothesis | None

    @property
    def holds(self) -> bool:
        """Whether judges find that the name fits the group's documents more often than others."""
        return self.judged is not None and self.judged.is_accepted

    @property
    def accuracy(self) -> ScoreEstimate:
        """How well documents of the group are told from others by the name: .5 is a guess.

        The mean of the share of the group's documents that it fits and of the others that it does
        not, with its interval of 95 %: half of their difference, and of Newcombe's interval.
        """
        if self.judged is None or isnan(self.judged.difference.value):
            return UNKNOWN
        of = self.judged.difference
        value, low, high = ((1 + each) / 2 for each in (of.value, of.low, of.high))
        n = self.judged.a.n_read + self.judged.b.n_read
        return ScoreEstimate(value=value, low=low, high=high, n=n)
