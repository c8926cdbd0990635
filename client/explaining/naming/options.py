"""How groups are named, and when a name holds."""

from collections.abc import Iterator
from dataclasses import dataclass

from saelake.explaining.claims.options import JudgedOptions

MOST_WORDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NamingOptions(JudgedOptions):
    """What is shown of a group, and when its name holds.

    A name has at most `n_words` words. It is made of `n_shown` texts of the group and as many of
    others, excerpts of `n_excerpt` tokens, and of `n_features` features. The share `held_back` of
    the documents is not shown, and no feature is chosen by it: of these `n_judged` of the group and
    `n_judged` others judge the name, of which the first `n_tokens` tokens are read. A name holds
    whose p-value, corrected by `correction` for all names that were made, is below `level`. Raises
    `InvalidInput`, of everything that is wrong.
    """

    n_words: int = 6
    n_features: int = 5
    n_judged: int = 40

    def _also_wrong(self) -> Iterator[str]:
        if self.n_words > MOST_WORDS:
            yield f"A name has at most {MOST_WORDS} words, not {self.n_words}."
