"""How often features would fire together by what is controlled for: within strata of documents.

Of two features that fire in n_is and n_js of the n_s documents of stratum s, and there have nothing
to do with each other, n_is n_js / n_s are expected to have both. Their sum over strata is what is
expected of the control alone. The controlled NPMI is ln(P_ij / E_ij) / -ln P_ij with E_ij that sum
over n: the published NPMI has P_i P_j in the place of E_ij, which is one stratum of all documents.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from saelake.store.arrays.excess import excess
from saelake.store.codes.embeddings import Block
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array
from saelake.store.index.bitmaps import Bitmap
from saelake.store.query.parts.strata import N_BINS
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

SMOOTHING = 1e-10
COUNTING = "counting within strata"  # the stage, for who listens
TEST = (
    "Cochran-Mantel-Haenszel within strata (hypergeometric variance, gamma distribution; twice the "
    "smaller tail)"
)
CORRECTION = (
    "Benjamini-Hochberg over all pairs of features within the limits; those that fire together in "
    "fewer documents than asked for count as tests with p = 1"
)
BIN_DOCUMENTS, MOST_BINS = 40, 100
CELLS_AT_ONCE = 1 << 21  # of pairs and strata
MOST_CELLS = 1 << 27  # of features and strata, 4 bytes each
FEW_STRATA = 128  # up to which bits are counted once for each


def n_bins(n: int) -> int:
    """Into how many bins the numbers of n documents are cut: of 40 documents, but 20 to 100 bins.

    In twenty wide ones too much of what length does is left (docs/decisions/019).
    """
    return min(max(n // BIN_DOCUMENTS, N_BINS), MOST_BINS)


def controlled_npmi(n_both: Array, expected: Array, n: int) -> Array:
    """ln(P / E) / -ln P of numbers that are together, and expected to be, of n; 1 at n of n."""
    p_both, p_expected = n_both / n + SMOOTHING, expected / n + SMOOTHING
    surprise = np.where(n_both < n, -np.log(p_both), 1)
    return np.where(n_both < n, np.log(p_both / p_expected) / surprise, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """In how many documents of each stratum each feature fires.

    `fires` uint32 (n_features, n_strata) is of the features with a `number` (int64 (d_sae,), -1
    for others); `sizes` int64 (n_strata,) counts the documents.
    """

    fires: Array
    number: Array
    sizes: Array

    def together(self, a: Array, b: Array, n_both: Array) -> tuple[Array, Array]:
        """How many documents are expected to have a[i] and b[i], and the p-value of `n_both`."""
        step = max(CELLS_AT_ONCE // len(self.sizes), 1)
        expected, p = np.empty(len(a)), np.empty(len(a))
        for begin in range(0, len(a), step):
            part = slice(begin, begin + step)
            moments = self.moments(self.number[a[part]], self.number[b[part]])
            expected[part] = moments[0]
            p[part] = excess(n_both[part], *moments)
        return expected, p

    def moments(self, a: Array, b: Array) -> tuple[Array, Array, Array]:
        """Mean, variance and third central moment of the sum of hypergeometric counts."""
        n = np.maximum(self.sizes, 1).astype(np.float64)
        n_a, n_b = self.fires[a].astype(np.float64), self.fires[b].astype(np.float64)
        mean = n_a * n_b / n
        variance = mean * (n - n_a) * (n - n_b) / (n * np.maximum(n - 1, 1))
        third = variance * (n - 2 * n_a) * (n - 2 * n_b) / (n * np.maximum(n - 2, 1))
        return mean.sum(axis=1), variance.sum(axis=1), third.sum(axis=1)


def within(session: Session, selected: Selected, stratum: Array, features: Array) -> Within:
    """The counts of these features in the selection, by the stratum of each document (-1: none)."""
    n_strata = int(stratum.max(initial=-1)) + 1
    if len(features) * n_strata > MOST_CELLS:
        raise InvalidInput(
            f"What is controlled for makes {n_strata:,} strata, too many to count "
            f"{len(features):,} features in: control for fewer columns, or for columns of fewer "
            "values."
        )
    number = np.full(selected.width, -1, np.int64)
    number[features] = np.arange(len(features))
    kept = stratum if selected.mask is None else np.where(selected.mask, stratum, -1)
    fires = np.zeros((len(features), n_strata), np.uint32)
    sizes = np.zeros(n_strata, np.int64)
    bitmaps = session.embeddings.bitmaps(selected) if n_strata <= FEW_STRATA else None
    if bitmaps is not None:
        for counts, n in bitmaps.map(_BitsByStratum(kept, features, n_strata), stage=COUNTING):
            fires += counts
            sizes += n
        return Within(fires=fires, number=number, sizes=sizes)
    work = _ByStratum(kept, number, n_strata)
    for found, n in session.embeddings.map(selected, work, "binary", stage=COUNTING):
        fires += found.toarray()
        sizes += n
    return Within(fires=fires, number=number, sizes=sizes)


@dataclass(frozen=True, slots=True)
class _BitsByStratum:
    """Counts the documents of a bitmap in which each feature fires, by stratum."""

    stratum: Array
    features: Array
    n_strata: int

    def __call__(self, bitmap: Bitmap) -> tuple[Array, Array]:
        """Uint32 (n_features, n_strata), and how many documents each stratum has."""
        fires = np.zeros((len(self.features), self.n_strata), np.uint32)
        sizes = np.zeros(self.n_strata, np.int64)
        for number in range(self.n_strata):
            sizes[number], found = bitmap.frequencies(self.stratum == number)
            fires[:, number] = found[self.features]
        return fires, sizes


@dataclass(frozen=True, slots=True)
class _ByStratum:
    """Counts the documents of a block in which each feature fires, by stratum."""

    stratum: Array
    number: Array
    n_strata: int

    def __call__(self, block: Block) -> tuple[sparse.csr_array, Array]:
        """Uint32 (n_features, n_strata), and how many documents each stratum has."""
        stratum = self.stratum[block.doc]
        feature, where = self.number[block.features], stratum[block.rows]
        keep = (feature >= 0) & (where >= 0)
        shape = int(self.number.max(initial=-1)) + 1, self.n_strata
        ones = np.ones(int(keep.sum()), np.uint32)
        counts = sparse.coo_array((ones, (feature[keep], where[keep])), shape).tocsr()
        return counts, np.bincount(stratum[stratum >= 0], minlength=self.n_strata)
