"""Numbers with intervals of 95 %: `store/format/shares.py` has the formulas.

The unit is the document: where several examples are of one, a share counts as of fewer (Rao and
Scott, Biometrics 48, 1992).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from saelake.store.format import shares
from saelake.store.format.lists import Array

NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreEstimate:
    """A number with its 95 % interval, over `n` examples; NaN with no interval of too few."""

    value: float
    low: float
    high: float
    n: int

    @property
    def is_known(self) -> bool:
        """Whether there were examples enough to say anything."""
        return not isnan(self.value)

    def holds(self, value: float) -> bool:
        """Whether a value is within the interval."""
        return self.low <= value <= self.high


UNKNOWN = ScoreEstimate(value=NAN, low=NAN, high=NAN, n=0)


def share(is_so: Sequence[bool] | Array, docs: Sequence[int] | None = None) -> ScoreEstimate:
    """The share of examples for which something is so; `docs` says of which document each is."""
    so = np.asarray(is_so, np.bool_)
    if len(so) == 0:
        return UNKNOWN
    value, low, high = shares.wilson(float(so.mean()), effective(so, docs))
    return ScoreEstimate(value=value, low=low, high=high, n=len(so))


def effective(so: Array, docs: Sequence[int] | None) -> float:
    """As of how many independent examples the share is: those, less what documents repeat.

    Never fewer than there are documents, nor more than examples; as many as documents where all
    are alike, since nothing tells how alike examples of one document are.
    """
    n = len(so)
    if docs is None or len(set(docs)) == n:
        return float(n)
    _, document = np.unique(np.asarray(docs), return_inverse=True)
    sizes, hits = np.bincount(document), np.bincount(document, weights=so)
    n_documents, value = len(sizes), float(so.mean())
    if value in (0.0, 1.0) or n_documents == 1:
        return float(n_documents)
    spread = ((hits - value * sizes) ** 2).sum() / n**2 * n_documents / (n_documents - 1)
    return float(np.clip(value * (1 - value) / max(spread, 1e-12), n_documents, n))


def of_two(
    combined: Callable[[float, float], float], a: ScoreEstimate, b: ScoreEstimate
) -> ScoreEstimate:
    """What is made of two independent shares: it grows with `a`, and grows or falls with `b`.

    The interval is MOVER's; between 0 and 1.
    """
    if not (a.is_known and b.is_known):
        return UNKNOWN
    value, low, high = shares.of_two(combined, (a.value, a.low, a.high), (b.value, b.low, b.high))
    return ScoreEstimate(value=value, low=low, high=high, n=a.n + b.n)
