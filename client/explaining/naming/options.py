"""How groups are named, and when a name holds."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from saelake.explaining.claims.decided import AcceptanceRule
from saelake.explaining.claims.proportions import Correction
from saelake.store.errors import InvalidInput
from saelake.store.requests.windows import MOST_TOKENS

MOST_WORDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NamingOptions:
    """What is shown of a group, and when its name holds.

    A name has at most `n_words` words. It is made of `n_shown` texts of the group and as many of
    others, excerpts of `n_excerpt` tokens, and of `n_features` features. The share `held_back` of
    the documents is not shown, and no feature is chosen by it: of these `n_judged` of the group and
    `n_judged` others judge the name, of which the first `n_tokens` tokens are read. A name holds
    whose p-value, corrected by `correction` for all names that were made, is below `level`. Raises
    `InvalidInput`, of everything that is wrong.
    """

    n_words: int = 6
    n_shown: int = 8
    n_features: int = 5
    n_judged: int = 40
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
        if self.n_words > MOST_WORDS:
            yield f"A name has at most {MOST_WORDS} words, not {self.n_words}."
        if self.n_tokens >= MOST_TOKENS:
            yield f"n_tokens is below {MOST_TOKENS:,}, not {self.n_tokens:,}."
        if self.correction not in ("holm", "benjamini-hochberg"):
            yield f"correction is holm or benjamini-hochberg, not {self.correction!r}."

    @property
    def rule(self) -> AcceptanceRule:
        """When a name holds."""
        return AcceptanceRule(level=self.level, correction=self.correction)
