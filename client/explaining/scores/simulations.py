"""Simulation: how alike simulated and true strengths are, over the tokens of all windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saelake.explaining.scores.estimates import NAN, UNKNOWN, ScoreEstimate
from saelake.store.errors import InvalidInput
from saelake.store.format.areas import Z
from saelake.store.format.lists import Array

LEAST_WINDOWS = 3  # of which an interval is said
LARGEST = 1 - 1e-6  # a correlation whose deviation is told


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationScore:
    """Of simulated strengths the correlation with the true ones, and what they explain.

    `explained` is 1 - E(t - s)² / E t², `explained_deviation` the same of absolute values (Bills et
    al. 2023); both need the two to be on one scale, 0 to 10.
    """

    correlation: ScoreEstimate
    explained: float
    explained_deviation: float


def simulation_score(
    true: Sequence[Sequence[float]], said: Sequence[Sequence[float]]
) -> SimulationScore:
    """The score of windows: of each the true and the simulated strength of every token.

    The correlation is over all tokens together, as published; its interval is a jackknife over
    windows, whose tokens depend on each other, on Fisher's scale. Unknown where one side is
    constant. Raises `InvalidInput` of lengths that differ.
    """
    if [len(window) for window in true] != [len(window) for window in said]:
        raise InvalidInput("Each token of each window has a true and a simulated strength.")
    pairs = [np.array([t, s], np.float64) for t, s in zip(true, said, strict=True)]
    if not pairs:
        return SimulationScore(correlation=UNKNOWN, explained=NAN, explained_deviation=NAN)
    t, s = np.concatenate(pairs, axis=1)
    return SimulationScore(
        correlation=_correlation(pairs),
        explained=_explained((t - s) ** 2, t**2),
        explained_deviation=_explained(np.abs(t - s), np.abs(t)),
    )


def _explained(left: Array, whole: Array) -> float:
    return float(1 - left.mean() / whole.mean()) if whole.any() else NAN


def _correlation(pairs: Sequence[Array]) -> ScoreEstimate:
    sums = np.array([_sums(pair) for pair in pairs])
    total = sums.sum(axis=0)
    value = float(_pearson(total))
    n = len(pairs)
    if not np.isfinite(value):
        return UNKNOWN
    without = _pearson((total - sums).T)
    if n < LEAST_WINDOWS or not np.isfinite(without).all():
        return ScoreEstimate(value=value, low=-1.0, high=1.0, n=n)
    turned = np.arctanh(np.clip(without, -LARGEST, LARGEST))
    deviation = np.sqrt((n - 1) / n * ((turned - turned.mean()) ** 2).sum())
    middle = np.arctanh(np.clip(value, -LARGEST, LARGEST))
    low, high = np.tanh([middle - Z * deviation, middle + Z * deviation])
    return ScoreEstimate(value=value, low=min(float(low), value), high=max(float(high), value), n=n)


def _sums(pair: Array) -> Array:
    """What correlations are made of: n, and the sums of t, s, t², s², ts."""
    t, s = pair
    return np.array([len(t), t.sum(), s.sum(), t @ t, s @ s, t @ s])


def _pearson(sums: Array) -> Array:
    n, t, s, tt, ss, ts = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(np.maximum(n * tt - t * t, 0) * np.maximum(n * ss - s * s, 0))
        found: Array = np.where(
            spread > 1e-9 * np.abs(n * ts) + 1e-12, (n * ts - t * s) / spread, np.nan
        )
    return np.clip(found, -1, 1)
