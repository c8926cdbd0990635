"""Numbers from 0 to 1 that documents have by a hash: the same whenever, and wherever, it is asked.

What is held back is decided by them, so that a client can tell which documents these are.
"""

import zlib
from collections.abc import Iterable

import numpy as np

from saelake.store.format.lists import Array

LARGEST = float(1 << 64)


def hashed(numbers: Array) -> Array:
    """A number from 0 to 1 for each uint64, float64 (n,): SplitMix64 (Steele 2014)."""
    with np.errstate(over="ignore"):
        z = numbers + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return z.astype(np.float64) / LARGEST


def hashed_texts(texts: Iterable[str]) -> Array:
    """A number from 0 to 1 for each text, float64 (n,): `hashed` of its CRC-32."""
    return hashed(np.array([zlib.crc32(text.encode()) for text in texts], np.uint64))
