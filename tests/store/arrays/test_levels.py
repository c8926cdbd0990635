"""Sums of levels and packed rows, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from saelake.store.arrays import levels, packed
from saelake.store.format.lists import Array


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=40))
def test_groups_of_columns_fit_in_a_byte(weights: list[int]) -> None:
    places, parts = levels.grouped(np.array(weights, np.float32), 1.0)
    assert len(places) % levels.TOGETHER == 0
    groups = parts.reshape(-1, levels.TOGETHER).astype(int)
    assert (groups.sum(axis=1) <= levels.MOST_WEIGHT).all()
    assert np.bincount(places, parts, len(weights)).tolist() == weights


@settings(deadline=None)
@given(
    st.integers(1, 9000),
    st.lists(st.floats(0.001, 1), min_size=1, max_size=70),
    st.integers(0, 2**32 - 1),
)
def test_columns_are_added_up_as_by_numpy(n: int, exact: list[float], seed: int) -> None:
    random = np.random.default_rng(seed)
    half = -(-n // 128) * 64
    columns = random.integers(0, 256, (len(exact), half), dtype=np.uint8)
    dense = np.concatenate([columns & 15, columns >> 4], axis=1)[:, :n].astype(float)
    unit = sum(exact) / (levels.MEAN_WEIGHT * len(exact))
    weights = (np.array(exact, np.float32) / unit + 0.5).astype(np.int64)
    places, parts = levels.grouped(np.array(exact, np.float32), unit)
    sums = np.full(n, 0.5, np.float32)
    levels.add_columns(columns.view(np.uint16), places, parts, unit, sums)
    assert np.allclose(sums, 0.5 + unit * (weights @ dense), rtol=1e-5)


def test_the_highest_levels_of_many_columns_fit_in_16_bits() -> None:
    n = 1024
    columns = np.full((n, 64), 255, np.uint8)
    places, parts = levels.grouped(np.ones(n, np.float32), n / levels.MOST_WEIGHTS)
    sums = np.zeros(128, np.float32)
    levels.add_columns(columns.view(np.uint16), places, parts, 1.0, sums)
    assert (sums == 15 * parts.astype(int).sum()).all()


@settings(deadline=None)
@given(
    st.lists(st.just(0.0) | st.floats(2**-20, 1, width=32), max_size=50),
    st.floats(0, 30),
    st.data(),
)
def test_what_is_chosen_is_worth_most_for_its_costs(
    worth: list[float], budget: float, data: st.DataObject
) -> None:
    n = len(worth)
    costs = np.array(data.draw(st.lists(st.floats(0.125, 3, width=32), min_size=n, max_size=n)))
    every = np.arange(n)
    of_features = (np.ones(n, np.float32), every.astype(np.uint32), every)
    mine = np.array(worth, np.float32), costs.astype(np.float32)
    found = levels.chosen(*of_features, *mine, budget)
    highest = np.array(worth, np.float32).view(np.int32) >> 18
    left = np.setdiff1d(np.flatnonzero(np.array(worth)), found)
    assert (np.diff(found) > 0).all()
    assert all(worth[i] > 0 for i in found)
    assert costs[found].sum() <= budget + 1e-3
    if len(left) and len(found):
        assert highest[left].max() < highest[found].min()
    if len(left):
        best = left[highest[left] == highest[left].max()]
        assert costs[found].sum() + costs[best].sum() > budget - 1e-3


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(0, 10**6), st.booleans())
def test_rows_are_counted_and_found_by_their_steps(n: int, seed: int, some: bool) -> None:
    random = np.random.default_rng(seed)
    estimates = random.normal(0.2, 0.5, n).astype(np.float32)  # some are beyond the steps
    keep = random.random(n) < 0.5 if some else np.empty(0, np.bool_)
    meant = np.flatnonzero(keep) if some else np.arange(n)
    counts = np.zeros(levels.N_STEPS, np.int32)
    levels.count_steps(estimates, keep, counts)
    assert counts.sum() == len(meant)
    least = int(random.integers(levels.N_STEPS))
    rows = levels.rows_from(estimates, keep, least)
    assert len(rows) == counts[least:].sum()
    others = np.setdiff1d(meant, rows)
    assert len(rows) == 0 or len(others) == 0 or estimates[rows].min() > estimates[others].max()


def test_how_typical_rows_are_is_a_regression() -> None:
    made = rows(6, 300, 40, 0.3)
    arrays = (made.indptr.astype(np.int64), made.indices.astype(np.uint32), made.data)
    scale = np.random.default_rng(7).random(300).astype(np.float32)
    dense: Array = made.toarray() * scale[:, None]
    means = dense.mean(axis=0)
    found, slopes = levels.typicality(*arrays, scale, means)
    product = dense @ means
    assert np.allclose(found, product - product.mean(), atol=1e-5)
    assert np.allclose(slopes, np.polyfit(product - product.mean(), dense, 1)[0], rtol=1e-3)
    query = np.random.default_rng(8).random(40).astype(np.float32)
    numbers, without = np.arange(40, dtype=np.uint32), np.array([3, 9])
    rest = np.delete(np.arange(40), without)
    mean, slope = levels.expected(query, numbers, means, slopes, without)
    assert mean == pytest.approx(query[rest] @ means[rest], rel=1e-4)
    assert slope == pytest.approx(query[rest] @ slopes[rest], rel=1e-4)


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
    data, starts = packed.packed_rows(offsets, features, codes)
    found = packed.unpacked_rows(data, starts, size)
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
