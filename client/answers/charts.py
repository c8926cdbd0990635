"""Numbers as shapes: what templates draw as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

from saelake.store.format.histogram import bin_edges


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueBar:
    """An interval of values, and how many there are; `x` and `height` are shares of the chart."""

    low: float
    high: float
    count: int
    x: float
    width: float
    height: float


def bars(histogram: Sequence[int], sign: int = 1) -> list[ValueBar]:
    """The intervals of a feature's values between the first and the last that has some.

    They are half octaves, equally wide; of a negative pole the values are below 0.
    """
    filled = [i for i, n in enumerate(histogram) if n]
    if not filled:
        return []
    first, last = filled[0], filled[-1]
    n, most = last - first + 1, max(histogram)
    edges, found = bin_edges().tolist(), []
    for i in range(first, last + 1):
        low, high = edges[i] * sign, edges[i + 1] * sign
        place = i - first if sign > 0 else last - i
        found.append(
            ValueBar(
                low=min(low, high),
                high=max(low, high),
                count=histogram[i],
                x=place / n,
                width=1 / n,
                height=histogram[i] / most,
            )
        )
    return sorted(found, key=lambda bar: bar.x)
