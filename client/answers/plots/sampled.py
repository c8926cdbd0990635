"""Which rows of a large answer are drawn, and how that is said."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saelake.store.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnRows:
    """Which rows are drawn, ascending, and what is said where that is not all."""

    rows: npt.NDArray[np.int64]
    said: tuple[str, ...] = ()


def drawn(
    n: int, most: int, seed: int, what: str, first: Sequence[bool] = (), called: str = ""
) -> DrawnRows:
    """At most `most` of `n` rows, by chance; with `first`, what is `called` so goes before others.

    Raises `InvalidInput`.
    """
    if most < 1 or seed < 0:
        raise InvalidInput(f"most is at least 1 and seed at least 0, not {most} and {seed}.")
    if n <= most:
        return DrawnRows(rows=np.arange(n))
    random = np.random.default_rng(seed)
    before = np.flatnonzero(np.asarray(first, bool)) if len(first) else np.arange(0)
    others = np.setdiff1d(np.arange(n), before)
    kept = before if len(before) <= most else random.choice(before, most, replace=False)
    rest = random.choice(others, most - len(kept), replace=False)
    said = f"Drawn: {most:,} of {n:,} {what}, by chance (seed {seed}; most= draws more)."
    if len(before):
        said = (
            f"Drawn: {len(kept):,} of {len(before):,} {what} {called}, {len(rest):,} of "
            f"{len(others):,} others, by chance (seed {seed}; most= draws more)."
        )
    return DrawnRows(rows=np.sort(np.concatenate([kept, rest])), said=(said,))


def strongest(n: int, most: int, what: str) -> DrawnRows:
    """The first `most` of `n` rows, which an answer has in order. Raises `InvalidInput`."""
    if most < 1:
        raise InvalidInput(f"most is at least 1, not {most}.")
    if n <= most:
        return DrawnRows(rows=np.arange(n))
    return DrawnRows(
        rows=np.arange(most),
        said=(f"Drawn: the first {most:,} of {n:,} {what} (most= draws more).",),
    )
