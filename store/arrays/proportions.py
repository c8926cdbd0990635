"""Shares of counts: their intervals, and whether they are the same in the rows of a table."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from saelake.store.format.lists import Array

FEW = 5  # of an expected count, as Cochran (1954) has it


def wilson(a: Array, n: Array | int, level: float) -> tuple[Array, Array]:
    """The interval of the share a/n with the confidence `level`, float64 (n,) twice; `n` above 0.

    The score interval (Wilson 1927), which Brown, Cai and DasGupta (2001) recommend: its coverage
    is near the level for few documents and rare features too, where a/n +- 1.96 deviations has far
    less, and it is within 0 and 1.
    """
    z = float(special.ndtri((1 + level) / 2))
    n = np.asarray(n, np.float64)
    share = a / n
    middle = share + z**2 / (2 * n)
    reach = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low = np.where(a == 0, 0.0, (middle - reach) / (1 + z**2 / n))
    high = np.where(a == n, 1.0, (middle + reach) / (1 + z**2 / n))
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Independence:
    """Pearson's chi-squared test that a share is the same in every row.

    `v` is Cramer's V (1946), here sqrt(chi-squared / n), from 0 to 1; `n_cells` are the cells of
    the table, `n_small` those in which less than 5 is expected and `least` the least that is.
    """

    chi_squared: float
    degrees: int
    p: float
    v: float
    n_cells: int
    n_small: int
    least: float

    @property
    def is_rough(self) -> bool:
        """Whether the chi-squared distribution is no good approximation (Cochran 1954).

        It is one where at least 1 is expected in every cell, and 5 in four fifths of them.
        """
        return self.least < 1 or 5 * self.n_small > self.n_cells


def independence(a: Array, n: Array) -> Independence | None:
    """The test of the table (rows, 2) of `a` and `n - a`; rows of nothing say nothing.

    None where nothing can be tested: of one row, or where all have it or none.
    """
    a, n = a[n > 0].astype(np.float64), n[n > 0].astype(np.float64)
    whole, fires = n.sum(), a.sum()
    if len(n) < 2 or fires in (0, whole):
        return None
    expected = np.stack([n * fires, n * (whole - fires)]) / whole
    found = float((((np.stack([a, n - a]) - expected) ** 2) / expected).sum())
    degrees = len(n) - 1
    return Independence(
        chi_squared=found,
        degrees=degrees,
        p=float(special.chdtrc(degrees, found)),
        v=float(np.sqrt(found / whole)),
        n_cells=expected.size,
        n_small=int((expected < FEW).sum()),
        least=float(expected.min()),
    )
