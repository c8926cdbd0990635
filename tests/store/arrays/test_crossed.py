"""Loops over the codes of two dictionaries equal products of dense token matrices."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.arrays import crossed
from saelake.store.arrays.crossed import GroupedCodes

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DECODED = np.array([0, 0.25, 0.5, 1.5, 3, 7], np.float32)


@dataclass(frozen=True)
class Tokens:
    """The codes (n_tokens, d) of one side, 0 where a feature does not fire."""

    codes: Ints

    @classmethod
    def random(cls, seed: int, n_tokens: int, d: int, density: float) -> "Tokens":
        random = np.random.default_rng(seed)
        codes = random.integers(1, len(DECODED), (n_tokens, d))
        return cls(codes * (random.random((n_tokens, d)) < density))

    @property
    def values(self) -> Floats:
        return DECODED[self.codes].astype(np.float64)

    @property
    def fires(self) -> Ints:
        return (self.codes > 0).astype(np.int64)

    def grouped(
        self, *, by_feature: bool, wide: bool = False
    ) -> tuple[GroupedCodes, tuple[Floats, Ints]]:
        """By feature or by token; `wide` has numbers that need more than 32 bits with a code."""
        codes = self.codes.T if by_feature else self.codes
        groups, numbers = np.nonzero(codes)
        n_numbers = 1 << 20 if wide else codes.shape[1]
        bits = codes[groups, numbers].astype(np.uint16)
        made = GroupedCodes.of(groups, len(codes), numbers, n_numbers, bits)
        assert made.packed.dtype == (np.uint64 if wide else np.uint32)
        return made, (made.begins, made.packed)


def best(scores: Floats, met: npt.NDArray[np.bool_], k: int) -> list[list[int]]:
    """The k best columns of each line, the first of equals."""
    return [
        sorted(np.flatnonzero(line).tolist(), key=lambda j: (-row[j], j))[:k]
        for row, line in zip(scores, met, strict=True)
    ]


Sides = tuple[Tokens, Tokens, tuple[Floats, Ints], tuple[Floats, Ints]]


def _sides(
    seed: int, n_tokens: int, d: tuple[int, int], density: tuple[float, float], wide: bool
) -> Sides:
    """The codes of two sides at the same tokens; those of the first by feature, then by token."""
    a, b = (Tokens.random(seed + i, n_tokens, d[i], density[i]) for i in (0, 1))
    return a, b, a.grouped(by_feature=True, wide=wide)[1], b.grouped(by_feature=False, wide=wide)[1]


two_sides = st.builds(
    _sides,
    seed=st.integers(0, 2**32 - 1),
    n_tokens=st.integers(1, 40),
    d=st.tuples(st.integers(1, 12), st.integers(1, 30)),
    density=st.tuples(st.sampled_from([0, 0.1, 0.6]), st.sampled_from([0, 0.1, 0.6])),
    wide=st.booleans(),
)


@settings(max_examples=150)
@given(two_sides, st.integers(1, 8))
def test_products_and_their_best(sides: Sides, k: int) -> None:
    """Added twice, to lines from the second on; then as correlations."""
    a, b, mine, theirs = sides
    d = a.codes.shape[1], b.codes.shape[1]
    lines = slice(min(1, d[0] - 1), d[0])
    products, both = np.zeros((d[0], d[1])), np.zeros((d[0], d[1]), np.uint32)
    for _ in range(2):
        crossed.add_products(
            mine, theirs, (DECODED, DECODED), lines.start, products[lines], both[lines]
        )
    met = (a.fires.T @ b.fires)[lines]
    np.testing.assert_allclose(products[lines], 2 * (a.values.T @ b.values)[lines])
    assert (both[lines] == 2 * met).all()

    spread = [np.stack([t.values.mean(axis=0), t.values.std(axis=0)]) for t in (a, b)]
    found, score = np.zeros((len(met), k), np.int64), np.zeros((len(met), k))
    n = 2 * len(a.codes)
    crossed.best_correlated(
        products[lines], both[lines], n, spread[0][:, lines], spread[1], found, score
    )
    assert not products.any()
    scale = np.outer(spread[0][1, lines], spread[1][1])
    shared = 2 * (a.values.T @ b.values)[lines] / n
    shared -= np.outer(spread[0][0, lines], spread[1][0])
    r = np.clip(np.divide(shared, scale, out=np.zeros_like(shared), where=scale > 0), -1, 1)
    for line, expected in enumerate(best(r, met > 0, k)):
        assert found[line].tolist() == expected + [-1] * (k - len(expected))
        np.testing.assert_allclose(score[line, : len(expected)], r[line, expected], atol=1e-12)


@settings(max_examples=150)
@given(two_sides, st.integers(1, 8))
def test_meetings_and_their_best(sides: Sides, k: int) -> None:
    a, b, mine, theirs = sides
    d = a.codes.shape[1], b.codes.shape[1]
    both = np.zeros((d[0], d[1]), np.uint32)
    crossed.add_meetings(mine, theirs, 0, both)
    assert (both == a.fires.T @ b.fires).all()
    n_a, n_b = a.fires.sum(axis=0), b.fires.sum(axis=0)
    found, score = np.zeros((d[0], k), np.int64), np.zeros((d[0], k))
    crossed.best_overlapping(both, n_a, n_b, found, score)
    share = both / np.maximum(n_a[:, None] + n_b - both.astype(np.int64), 1)
    for line, expected in enumerate(best(share, both > 0, k)):
        assert found[line].tolist() == expected + [-1] * (k - len(expected))
        assert score[line, : len(expected)].tolist() == share[line, expected].tolist()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_rows=st.integers(0, 5))
def test_rows_laid_flat_and_summed(seed: int, n_rows: int) -> None:
    """Feature-sorted rows of some tokens, of which not all are held."""
    random = np.random.default_rng(seed)
    lengths = random.integers(0, 7, n_rows).tolist()
    rows = [Tokens.random(seed + i, n, 4, 0.5).codes for i, n in enumerate(lengths)]
    firsts = np.cumsum([0, *lengths])
    held = random.random(firsts[-1]) < 0.7
    number = np.where(held, np.cumsum(held) - 1, -1)
    expected, begins, features, counts, positions, codes = [], [0], [], [], [], []
    for row, first in zip(rows, firsts[:-1], strict=True):
        for feature in np.flatnonzero(row.any(axis=0)):
            fires = np.flatnonzero(row[:, feature])
            features.append(feature)
            counts.append(len(fires))
            positions += fires.tolist()
            codes += row[fires, feature].tolist()
            expected += [(feature, number[first + p]) for p in fires]
        begins.append(len(features))
    feature, token = crossed.flat(
        np.array(begins, np.int64),
        np.array(features, np.uint32),
        np.array(counts, np.uint16),
        firsts[:-1].astype(np.int64),
        np.array(positions, np.uint16),
        number.astype(np.int64),
    )
    assert list(zip(feature.tolist(), token.tolist(), strict=True)) == expected

    bits = np.array(codes, np.uint16)
    count, moments = np.zeros(4, np.int64), np.zeros((2, 4))
    crossed.add_moments(feature, token, bits, DECODED, count, moments)
    dense = np.concatenate([np.zeros((0, 4), np.int64), *rows])[held]
    assert count.tolist() == (dense > 0).sum(axis=0).tolist()
    np.testing.assert_allclose(moments[0], DECODED[dense].sum(axis=0))
    np.testing.assert_allclose(moments[1], (DECODED[dense] ** 2).sum(axis=0))

    by_token = GroupedCodes.of(token, len(dense), feature, 4, bits)
    for i in range(len(dense)):
        packed = by_token.packed[by_token.begins[i] : by_token.begins[i + 1]]
        fires = np.flatnonzero(dense[i])
        assert (packed >> 16).tolist() == fires.tolist()
        assert (packed & 0xFFFF).tolist() == dense[i, fires].tolist()


@pytest.mark.parametrize(("n_numbers", "dtype"), [(1 << 16, np.uint32), (1 << 17, np.uint64)])
def test_the_largest_number_is_packed(n_numbers: int, dtype: type) -> None:
    last = np.array([n_numbers - 1])
    made = GroupedCodes.of(np.array([0]), 1, last, n_numbers, np.array([65_535], np.uint16))
    assert made.packed.dtype == dtype
    assert (made.packed >> 16).tolist() == last.tolist()
    assert (made.packed & 0xFFFF).tolist() == [65_535]
