"""Half-open ranges of documents: what two have in common, and what is left."""

from collections.abc import Sequence

Range = tuple[int, int]


def intersection(a: Sequence[Range], b: Sequence[Range]) -> list[Range]:
    """What is in ranges of both, all ascending and apart."""
    found: list[Range] = []
    i = j = 0
    while i < len(a) and j < len(b):
        start, stop = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if start < stop:
            found.append((start, stop))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return found


def complement(ranges: Sequence[Range], stop: int) -> list[Range]:
    """What is not in the ranges, from 0 to `stop`."""
    bounds = [0, *(edge for r in ranges for edge in r), stop]
    return [(a, b) for a, b in zip(bounds[::2], bounds[1::2], strict=True) if a < b]
