"""Sums of levels and packed rows, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from saelake.store.arrays import levels
from saelake.store.format.lists import Array
from saelake.store.index.levels import FULL_WEIGHT


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 40), st.integers(0, 10**6))
def test_columns_add_up(half: int, n_columns: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    columns = random.integers(0, 256, (n_columns, half), dtype=np.uint8)
    columns[0] = 255  # the highest levels, of which a sum of 16 bits must hold 16
    asked = random.integers(0, n_columns, 4 * random.integers(0, 10))
    asked[: len(asked) // 2] = 0
    weights = random.integers(0, 256, len(asked)).astype(np.uint16)
    weights[: len(asked) // 2] = FULL_WEIGHT
    sums = np.zeros(2 * half, np.float32)
    levels.add_columns(columns, asked, weights, sums)
    whole = np.concatenate([columns & 15, columns >> 4], axis=1).astype(np.int64)
    assert np.array_equal(sums, weights.astype(np.int64) @ whole[asked])


def rows(seed: int, n: int, width: int, density: float) -> sparse.csr_matrix:
    made = sparse.random(n, width, density, "csr", np.float32, np.random.default_rng(seed))
    made.sort_indices()
    made.indptr = made.indptr.astype(np.int64)
    return made


@pytest.mark.parametrize("width", [200, 5000, 300_000])
@pytest.mark.parametrize("size", [1, 2])
def test_packed_rows_are_as_before(width: int, size: int) -> None:
    made = rows(1, 300, width, min(40 / width, 0.5))
    offsets, features = made.indptr.astype(np.int64), made.indices.astype(np.uint32)
    codes = np.random.default_rng(2).integers(0, 256, (made.nnz, size), dtype=np.uint8)
    data, starts = levels.packed_rows(offsets, features, codes)
    found = levels.unpacked_rows(data, starts, size)
    for mine, expected in zip(found, (offsets, features, codes.reshape(-1)), strict=True):
        assert np.array_equal(mine, expected)
    gap = 1 if width == 200 else 2 if width == 5000 else 4
    assert len(data) <= 300 + made.nnz * (gap + size)


def test_products_and_moments() -> None:
    made = rows(3, 200, 50, 0.2)
    arrays = (made.indptr.astype(np.int64), made.indices.astype(np.uint32), made.data)
    queries = np.random.default_rng(4).random((50, 3)).astype(np.float32)
    assert np.allclose(levels.row_products(*arrays, queries), made @ queries, rtol=1e-4)
    scale = np.random.default_rng(5).random(200).astype(np.float32)
    dense: Array = made.toarray() * scale[:, None]
    counts, sums, squares = levels.moments(*arrays, scale, 50)
    assert np.array_equal(counts, (dense > 0).sum(0))
    assert np.allclose(sums, dense.sum(0), rtol=1e-5)
    assert np.allclose(squares, (dense**2).sum(0), rtol=1e-5)
