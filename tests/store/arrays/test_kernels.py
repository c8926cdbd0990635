"""Every compiled loop equals its twin in NumPy or SciPy."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from saelake.store.arrays import kernels

Array = npt.NDArray[np.generic]

D_SAE = 12
seeds = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Rows:
    """Sparse rows, and the same dense (n_rows, D_SAE)."""

    dense: npt.NDArray[np.float32]

    @classmethod
    def random(cls, random: np.random.Generator, n_rows: int) -> "Rows":
        values = random.integers(1, 9, (n_rows, D_SAE)).astype(np.float32) / np.float32(4)
        return cls(values * (random.random((n_rows, D_SAE)) < 0.4))

    @property
    def parts(self) -> tuple[Array, Array, Array]:
        """Offsets int64, features uint32, and values float32, as a block has them."""
        matrix = sparse.csr_array(self.dense)
        offsets, features = matrix.indptr.astype(np.int64), matrix.indices.astype(np.uint32)
        return offsets, features, matrix.data.astype(np.float32)

    @property
    def fires(self) -> npt.NDArray[np.int64]:
        fires: npt.NDArray[np.int64] = (self.dense != 0).astype(np.int64)
        return fires


@pytest.fixture(params=range(4))
def random(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(request.param)


@pytest.fixture(params=[0, 1, 50])
def rows(request: pytest.FixtureRequest, random: np.random.Generator) -> Rows:
    return Rows.random(random, request.param)


def test_products(random: np.random.Generator, rows: Rows) -> None:
    query, weight = random.random((2, D_SAE)).astype(np.float32)
    dot, square = kernels.products(*rows.parts, query, weight)
    assert dot.dtype == square.dtype == np.float32
    np.testing.assert_allclose(dot, rows.dense @ query, rtol=1e-5)
    np.testing.assert_allclose(square, rows.dense**2 @ weight, rtol=1e-5)


def test_dot_products_and_lengths(random: np.random.Generator, rows: Rows) -> None:
    query = random.random(D_SAE).astype(np.float32)
    offsets, features, values = rows.parts
    dot = kernels.dot_products(offsets, features, values, query)
    lengths = kernels.row_lengths(offsets, values)
    assert dot.dtype == lengths.dtype == np.float32
    np.testing.assert_allclose(dot, rows.dense @ query, rtol=1e-5)
    np.testing.assert_allclose(lengths, np.linalg.norm(rows.dense, axis=1), rtol=1e-5)


def test_overlaps(random: np.random.Generator, rows: Rows) -> None:
    query, weight = random.random((2, D_SAE)).astype(np.float32) * 2
    shared, total = kernels.overlaps(*rows.parts, query, weight)
    weighted = weight * rows.dense
    np.testing.assert_allclose(shared, np.minimum(query, weighted).sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(total, weighted.sum(axis=1), rtol=1e-5)


def test_dots(random: np.random.Generator, rows: Rows) -> None:
    query = random.random(D_SAE).astype(np.float32)
    scale = random.random(len(rows.dense)).astype(np.float32)
    chosen = random.permutation(len(rows.dense))[: len(rows.dense) // 2]
    found = kernels.dots(chosen, *rows.parts, query, scale)
    np.testing.assert_allclose(found, ((rows.dense @ query) * scale)[chosen], rtol=1e-5)


def test_spans_of(random: np.random.Generator, rows: Rows) -> None:
    offsets, features, _ = rows.parts
    counts = random.integers(1, 5, len(features)).astype(np.uint16)
    before = np.append(0, np.cumsum(counts, dtype=np.int64))
    wanted = np.array([0, 3, 4, 11, 40])
    first, count = kernels.spans_of(offsets, features, counts, before[offsets], wanted)
    assert first.shape == count.shape == (len(wanted), len(rows.dense))
    for row in range(len(rows.dense)):
        for w, feature in enumerate(wanted):
            at = np.flatnonzero(features[offsets[row] : offsets[row + 1]] == feature)
            expected = int(counts[offsets[row] + at[0]]) if len(at) else 0
            assert count[w, row] == expected
            assert not len(at) or first[w, row] == before[offsets[row] + at[0]]


def test_by_impact(random: np.random.Generator, rows: Rows) -> None:
    n_levels = 5
    levels = random.integers(1, n_levels, rows.dense.shape, endpoint=True) * rows.fires
    offsets, features, _ = rows.parts
    impacts = levels[levels > 0].astype(np.uint8)
    found, starts = kernels.by_impact(offsets, features, impacts, D_SAE, n_levels)
    assert found.dtype == np.uint16
    lists = [
        np.flatnonzero(levels[:, feature] == level)
        for feature in range(D_SAE)
        for level in range(n_levels, 0, -1)
    ]
    assert starts.tolist() == [0, *np.cumsum([len(rows) for rows in lists])]
    assert found.tolist() == np.concatenate(lists).tolist()


@pytest.mark.parametrize("budget", [20, 40, 10_000])
def test_accumulate_best(random: np.random.Generator, budget: int) -> None:
    """Cells are of features 0 to 5, three each; the least gains are left out, in 1,024 steps."""
    cells = np.arange(7) * 3
    sizes = random.integers(1, 9, 18)
    begins = np.concatenate([[0], np.cumsum(sizes)])
    rows = random.integers(0, 30, sizes.sum()).astype(np.uint16)
    levels = random.random(18).astype(np.float32)
    asked, values = np.array([1, 2, 5]), random.random(6).astype(np.float32)
    sums = np.ones(30, np.float32)
    kernels.accumulate_best(asked, values, cells, begins, levels, rows, budget, sums)

    chosen = [cell for cell in range(18) if cell // 3 in asked]
    gains = {cell: values[cell // 3] * levels[cell] for cell in chosen}
    order = sorted(chosen, key=lambda cell: -gains[cell])
    spent = np.cumsum([sizes[cell] for cell in order])
    n_added = int((spent <= budget).sum())
    expected = np.ones(30)
    for cell in order[:n_added]:
        np.add.at(expected, rows[begins[cell] : begins[cell + 1]], gains[cell])
    np.testing.assert_allclose(sums, expected, rtol=1e-5)


def test_accumulate_nothing() -> None:
    sums = np.ones(3, np.float32)
    none = np.empty(0, np.int64)
    levels, rows = np.empty(0, np.float32), np.empty(0, np.uint16)
    values = np.ones(2, np.float32)
    cells, begins = np.zeros(3, np.int64), np.zeros(1, np.int64)
    kernels.accumulate_best(none, values, cells, begins, levels, rows, 9, sums)
    kernels.accumulate_best(np.arange(2), values, cells, begins, levels, rows, 9, sums)
    assert sums.tolist() == [1, 1, 1]


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(st.integers(-2, 6), max_size=40),
    k=st.integers(1, 12),
    seed=seeds,
    all_=st.booleans(),
)
def test_strongest(values: list[int], k: int, seed: int, all_: bool) -> None:
    """Many sums are equal: of these the earlier row is kept."""
    sums = np.array(values, np.float32)
    keep = np.random.default_rng(seed).random(len(sums)) < 0.7
    allowed = np.ones_like(keep) if all_ else keep
    found = kernels.strongest(sums, keep[:0] if all_ else keep, k)
    rows = np.flatnonzero((sums > 0) & allowed)
    expected = rows[np.lexsort((rows, -sums[rows]))][:k]
    assert sorted(found.tolist()) == sorted(expected.tolist())


@pytest.mark.parametrize("step", [1, 5, D_SAE])
def test_co_occurrences(rows: Rows, step: int) -> None:
    """Stripe by stripe, with one cursor, as the whole upper triangle of F'F."""
    offsets, features, _ = rows.parts
    counts = np.zeros((D_SAE, D_SAE), np.uint32)
    cursor = offsets[:-1].copy()
    for first in range(0, D_SAE, step):
        stripe = counts[first : first + step]
        kernels.co_occurrences(cursor, offsets, features, first, stripe)
    assert (counts == np.triu(rows.fires.T @ rows.fires, 1)).all()
    assert (cursor == offsets[1:]).all()


@pytest.mark.parametrize("step", [1, 5, D_SAE])
def test_cross_occurrences(random: np.random.Generator, rows: Rows, step: int) -> None:
    other = Rows.random(random, len(rows.dense))
    offsets, features, _ = rows.parts
    counts = np.zeros((D_SAE, D_SAE), np.uint32)
    cursor = offsets[:-1].copy()
    for first in range(0, D_SAE, step):
        stripe = counts[first : first + step]
        kernels.cross_occurrences(cursor, offsets, features, *other.parts[:2], first, stripe)
    assert (counts == rows.fires.T @ other.fires).all()


@given(
    seed=st.integers(0, 99),
    n_rows=st.integers(0, 200),
    tile=st.tuples(st.sampled_from([1, 2, 64]), st.integers(1, 10)),
    n_counted=st.integers(1, 9),
)
@settings(max_examples=40, deadline=None)
def test_bits_count_what_rows_share(
    seed: int, n_rows: int, tile: tuple[int, int], n_counted: int
) -> None:
    fires = np.random.default_rng(seed).random((n_rows, 9)) < 0.4
    rows = sparse.csr_matrix(fires)
    bits = np.zeros((9, n_rows // 64 + 1), np.uint64)
    kernels.set_bits(rows.indptr.astype(np.int64), rows.indices.astype(np.uint32), bits)
    counts = np.zeros((n_counted, 9), np.uint32)
    kernels.shared_bits(bits, counts, *tile)
    both = fires.astype(int).T @ fires.astype(int)
    assert np.array_equal(counts, np.triu(both, 1)[:n_counted])


@settings(max_examples=40, deadline=None)
@given(seed=seeds, n_sums=st.integers(1, 5))
def test_tails_count_every_outcome(seed: int, n_sums: int) -> None:
    random = np.random.default_rng(seed)
    n_cells = random.integers(1, 5, n_sums)
    n_points = random.integers(1, 4, n_cells.sum())
    cells, points = (np.concatenate([[0], np.cumsum(n)]) for n in (n_cells, n_points))
    value = random.integers(-3, 4, n_points.sum()) / 3
    chance = random.random(len(value))
    observed = random.integers(-4, 5, n_sums) / 3
    found = kernels.tails(cells, points, value, chance, observed, 3**4)
    for i in range(n_sums):
        ranges = [range(points[j], points[j + 1]) for j in range(cells[i], cells[i + 1])]
        expected = np.zeros(3)
        for outcome in product(*ranges):
            total = value[list(outcome)].sum() - observed[i]
            expected[1 + (total > 1e-6) - (total < -1e-6)] += chance[list(outcome)].prod()
        np.testing.assert_allclose(found[i], expected, rtol=1e-9)
