"""How a language model chooses the features that stand for a phrase."""

from collections.abc import Iterator
from dataclasses import dataclass

from saelake.store.errors import InvalidInput

MOST_CANDIDATES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoosingOptions:
    """Of `n_candidates` labels that are shown, at most `n_features` are chosen.

    With `min_score` only labels with at least this score are shown. Raises `InvalidInput`, of
    everything that is wrong.
    """

    n_candidates: int = 100
    n_features: int = 20
    min_score: float | None = None

    def __post_init__(self) -> None:
        if wrong := list(self._wrong()):
            raise InvalidInput(" ".join(wrong))

    def _wrong(self) -> Iterator[str]:
        if not 1 <= self.n_candidates <= MOST_CANDIDATES:
            yield f"n_candidates is from 1 to {MOST_CANDIDATES:,}, not {self.n_candidates}."
        if self.n_features < 1:
            yield f"n_features is 1 or more, not {self.n_features}."
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            yield f"min_score is a share, from 0 to 1, not {self.min_score}."

    @property
    def most(self) -> int:
        """How many can be chosen."""
        return min(self.n_candidates, self.n_features)
