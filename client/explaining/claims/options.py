"""How what is claimed of texts is judged, and when it is accepted."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from saelake.explaining.claims.decided import AcceptanceRule
from saelake.explaining.claims.proportions import Correction
from saelake.store.errors import InvalidInput
from saelake.store.requests.windows import MOST_TOKENS


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedOptions:
    """What all options of claims have: see those. Raises `InvalidInput`, of all that is wrong."""

    n_features: int
    n_judged: int
    n_shown: int = 8
    n_tokens: int = 512
    n_excerpt: int = 96
    held_back: float = 0.5
    level: float = 0.05
    correction: Correction = "holm"
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
        if self.n_tokens >= MOST_TOKENS:
            yield f"n_tokens is below {MOST_TOKENS:,}, not {self.n_tokens:,}."
        if self.correction not in ("holm", "benjamini-hochberg"):
            yield f"correction is holm or benjamini-hochberg, not {self.correction!r}."
        yield from self._also_wrong()

    def _also_wrong(self) -> Iterator[str]:
        """What else is wrong with options of one kind."""
        yield from ()

    @property
    def rule(self) -> AcceptanceRule:
        """When a claim is accepted."""
        return AcceptanceRule(level=self.level, correction=self.correction)
