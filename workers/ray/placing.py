"""Who owns a piece: rendezvous hashing, and who of its owners is asked.

Each owner has a score for each place (the hash of both), and those with the highest own it. So one
that goes leaves its pieces to those who came next for them, one that comes takes a fair share of
everyone's, and nothing else moves (Thaler and Ravishankar, "Using name-based mappings to increase
hit rates", 1998).
"""

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

KNOWN_PLACES, KNOWN_OWNERS = 1 << 16, 1 << 12  # whose hashes are remembered
# The multipliers of splitmix64, which mixes two hashes into a third.
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def owners_of(place: Hashable, owners: Sequence[int], n: int) -> list[int]:
    """The `n` owners of a place of these (or all, where they are fewer), the first one first."""
    scores = _mixed(_of_owners(tuple(owners)) ^ np.uint64(_of_place(place)))
    return [owners[i] for i in np.argsort(scores)[::-1][:n]]


def asked_of(candidates: Sequence[int], calls: Mapping[int, int], n_idle: int, most: int) -> int:
    """Which of the owners of a piece is asked; -1 where all have `most` calls under way.

    The first that has fewer than `n_idle`, at which it would wait for nobody, for it is likelier to
    have kept the piece; or else the one with the fewest.
    """
    for owner in candidates:
        if calls[owner] < n_idle:
            return owner
    least = min(candidates, key=lambda owner: calls[owner])
    return least if calls[least] < most else -1


@lru_cache(KNOWN_PLACES)
def _of_place(place: Hashable) -> int:
    return _hash(repr(place))


@lru_cache(8)
def _of_owners(owners: tuple[int, ...]) -> npt.NDArray[np.uint64]:
    return np.array([_of_owner(owner) for owner in owners], np.uint64)


@lru_cache(KNOWN_OWNERS)
def _of_owner(owner: int) -> int:
    return _hash(f"owner {owner}")


def _hash(text: str) -> int:
    """A hash that is the same in every process, as Python's own is not."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    values = (values ^ values >> np.uint64(30)) * FIRST
    values = (values ^ values >> np.uint64(27)) * SECOND
    return values ^ values >> np.uint64(31)
