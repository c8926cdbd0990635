"""Means with intervals: percentiles of what resampled units give."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
RESAMPLES, LEVEL, SEED = 200, 0.95, 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, and what of it came of resamples (n_resamples,)."""

    value: float
    resampled: Array

    @property
    def interval(self) -> tuple[float, float]:
        """Where `LEVEL` of the resamples lie."""
        tail = 100 * (1 - LEVEL) / 2
        low, high = np.percentile(self.resampled, [tail, 100 - tail])
        return float(low), float(high)

    def __sub__(self, other: "Estimate") -> "Estimate":
        """The difference, over the same resamples."""
        return Estimate(self.value - other.value, self.resampled - other.resampled)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}]"

    @property
    def verdict(self) -> str:
        """Whether the interval is on one side of 0."""
        low, high = self.interval
        return "better" if low > 0 else "worse" if high < 0 else "no clear difference"


def weights(n: int) -> Array:
    """How often each of `n` units is in each resample (n_resamples, n), the same at every call."""
    random = np.random.default_rng(SEED)
    return random.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)


def estimate(measure: Callable[[Array], float], n: int) -> Estimate:
    """A measure of `n` weighted units, and of resamples of them."""
    resampled = np.array([measure(each) for each in weights(n)])
    return Estimate(measure(np.ones(n)), resampled)


def mean_of(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of estimates that have the same resamples."""
    return Estimate(
        float(np.mean([e.value for e in estimates])),
        np.mean([e.resampled for e in estimates], axis=0),
    )


def mean_over(values: Array) -> Estimate:
    """The mean of a value a unit (n,)."""
    return estimate(lambda weight: float(np.average(values, weights=weight)), len(values))
