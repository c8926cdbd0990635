"""Sketches of documents: their levels, and products with queries, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.arrays import levels, sketches
from saelake.store.format.lists import Array

HIGHEST = 31


def sparse_rows(random: np.random.Generator, n: int, width: int) -> tuple[Array, Array, Array]:
    """Offsets, features and values of rows with about half of the features."""
    dense = random.random((n, width)) < random.random()
    rows, features = np.nonzero(dense)
    offsets = np.append(0, np.cumsum(dense.sum(axis=1)))
    return offsets, features.astype(np.uint32), random.gamma(2, 1, len(rows)).astype(np.float32)


def made(seed: int, n: int, width: int, n_places: int) -> tuple[Array, Array, Array]:
    """Lines, the levels that they are of (n, n_places), and which feature is where."""
    random = np.random.default_rng(seed)
    offsets, features, values = sparse_rows(random, n, width)
    scale = random.random(n).astype(np.float32) + np.float32(0.1)
    steps = random.random(width).astype(np.float32) * np.float32(0.3) + np.float32(0.01)
    chosen = random.permutation(width)[:n_places]
    place = np.full(width, -1)
    place[chosen] = np.arange(len(chosen))
    n_filled = -(-max(len(chosen), 1) // 128) * 128
    lines = np.zeros((n, n_filled * 5 // 8), np.uint8)
    sketches.as_sketches(offsets, features, values, scale, steps, place, lines, HIGHEST)
    expected = np.zeros((n, n_filled), np.int64)
    for row in range(n):
        for i in range(offsets[row], offsets[row + 1]):
            if place[features[i]] >= 0:
                level = int(values[i] * scale[row] / steps[features[i]] + np.float32(0.5))
                expected[row, place[features[i]]] = min(max(level, 1), HIGHEST)
    return lines, expected, chosen


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 400), st.integers(0, 300))
def test_a_line_has_the_levels_of_its_features(
    seed: int, n: int, width: int, n_places: int
) -> None:
    lines, expected, _ = made(seed, n, width, n_places)
    half, eighth = expected.shape[1] // 2, expected.shape[1] // 8
    low = np.concatenate([lines[:, :half] & 15, lines[:, :half] >> 4], axis=1)
    high = np.concatenate([(lines[:, half:] >> bit) & 1 for bit in range(8)], axis=1)
    assert high.shape == (n, 8 * eighth)
    assert np.abs(low + 16 * high.astype(int) - expected).max() <= 1  # as halves are rounded


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 400), st.integers(0, 300))
def test_products_are_those_of_levels_and_what_is_to_be_expected(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int, width: int, n_places: int
) -> None:
    lines, _, chosen = made(seed, n, width, n_places)
    half = lines.shape[1] * 4 // 5
    low = np.concatenate([lines[:, :half] & 15, lines[:, :half] >> 4], axis=1)
    high = np.concatenate([(lines[:, half:] >> bit) & 1 for bit in range(8)], axis=1)
    random = np.random.default_rng(seed)
    query, means, slopes, steps = random.random((4, width)).astype(np.float32)
    typical = random.normal(0, 1, n).astype(np.float32)
    numbers = np.arange(width, dtype=np.uint32)
    dense = (low + 16 * high.astype(int))[:, : len(chosen)]
    rest = np.setdiff1d(np.arange(width), chosen)
    exact = dense @ (query * steps)[chosen] + query[rest] @ means[rest]
    exact = exact + typical * (query[rest] @ slopes[rest])
    of_features = (query, numbers, means, slopes, steps, chosen, typical)
    rows = random.integers(0, n, 2 * n)
    found = sketches.estimates_of(lines[rows], rows, *of_features)
    largest = (query * steps)[chosen].max(initial=0) * dense.sum(axis=1).max(initial=0)
    assert np.allclose(found, exact[rows], rtol=1e-4, atol=1e-4 + largest / sketches.MOST / 2)
    path = tmp_path_factory.mktemp("lines") / "lines"
    path.write_bytes(b"before" + lines.tobytes())
    with path.open("rb") as file:
        of_file = (file.fileno(), 6, lines.shape[1])
        read, whole = sketches.lines_in_file(*of_file, rows)
        assert whole
        assert np.array_equal(read, lines[rows])
        assert not sketches.lines_in_file(*of_file, np.append(rows, n))[1]


def test_the_highest_levels_of_a_query_of_one_weight_fit() -> None:
    n = 4096
    lines = np.full((1, n * 5 // 8), 255, np.uint8)
    ones, nothing = np.ones(n, np.float32), np.zeros(n, np.float32)
    numbers = np.arange(n, dtype=np.uint32)
    of_features = (ones, numbers, nothing, nothing, ones, np.arange(n), np.zeros(1, np.float32))
    (found,) = sketches.estimates_of(lines, np.zeros(1, np.int64), *of_features)
    assert found == pytest.approx(31 * n, rel=1e-6)


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(0, 10**6), st.booleans(), st.integers(0, 500))
def test_the_best_rows_are_those_of_the_highest_steps(
    n: int, seed: int, some: bool, room: int
) -> None:
    random = np.random.default_rng(seed)
    estimates = np.round(random.normal(0.2, 0.5, n), 1).astype(np.float32)
    keep = random.random(n) < 0.5 if some else np.empty(0, np.bool_)
    meant = np.flatnonzero(keep) if some else np.arange(n)
    rows = levels.best_rows(estimates, keep, room)
    assert np.isin(rows, meant).all()
    assert (np.diff(rows) > 0).all()
    assert len(rows) >= min(room, len(meant))
    others, steps = np.setdiff1d(meant, rows), levels.steps_of(estimates)
    if len(rows) and len(others):
        least = steps[rows].min()
        assert least > steps[others].max()
        assert (steps[rows] > least).sum() < room
