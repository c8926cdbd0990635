"""Samples: what belongs to one is decided by each token or document alone, so it never changes."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from saelake.store.errors import InvalidInput

Mask = npt.NDArray[np.bool_]
_STEP = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSample:
    """A share of all tokens, chosen by a hash of (seed, document, position).

    Of two samples with one seed the smaller lies within the larger. `fraction` is in (0, 1];
    raises `InvalidInput` else.
    """

    fraction: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise InvalidInput(
                f"A share of tokens is above 0 and at most 1, not {self.fraction:g}: write 0.1 for "
                "10 %.",
                fraction=self.fraction,
            )
        if not 0 <= self.seed < 2**64:
            raise InvalidInput(f"A seed is a number from 0 to 2^64 - 1, not {self.seed}.")

    def __str__(self) -> str:
        """The share, as `10 %`."""
        return f"{100 * self.fraction:.6g} %"

    def part(self, fraction: float | None) -> "TokenSample":
        """The smaller sample in this one; itself by default. Raises `InvalidInput`."""
        if fraction is None:
            return self
        if fraction > self.fraction:
            raise InvalidInput(
                f"Only {self} of the tokens are kept: a fraction of at most {self.fraction:g} can "
                "be read.",
                fraction=fraction,
            )
        return replace(self, fraction=fraction)

    def has(self, doc: npt.NDArray[np.integer], position: npt.NDArray[np.integer]) -> Mask:
        """Which tokens are in the sample, bool (n,), of documents and positions, both (n,)."""
        if self.fraction == 1:
            return np.ones(len(doc), np.bool_)
        key = _mixed(doc.astype(np.uint64) + _mixed(np.array([self.seed], np.uint64)))
        return _mixed(key + position.astype(np.uint64)) < np.uint64(self.fraction * 2.0**64)

    def has_documents(self, docs: npt.ArrayLike) -> Mask:
        """Which documents are in the sample, each as its first token is, bool (n,)."""
        numbers = np.asarray(docs, np.uint64)
        return self.has(numbers, np.zeros(len(numbers), np.int64))


# Documents of which no label is made, so that labels can be scored by them.
HELD_BACK = TokenSample(fraction=0.2, seed=1)


def smallest(docs: npt.NDArray[np.integer], n: int, seed: int) -> npt.NDArray[np.integer]:
    """The `n` of these documents, (m,) ascending, whose hashes with a seed are the smallest.

    Of one seed the smaller of two samples lies within the larger.
    """
    if n >= len(docs):
        return docs
    key = _mixed(docs.astype(np.uint64) + _mixed(np.array([seed], np.uint64)))
    return np.sort(docs[np.argpartition(key, n)[:n]])


def _mixed(key: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): each key to 64 bits that look random."""
    mixed = key + _STEP
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
