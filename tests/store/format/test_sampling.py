"""Samples of tokens: decided by the token, one within the other, and of the size asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.store.errors import InvalidInput
from saelake.store.format.sampling import TokenSample

TOKENS = st.lists(
    st.tuples(st.integers(0, 2**40), st.integers(0, 2**32 - 1)), min_size=1, max_size=200
)
FRACTIONS = st.floats(1e-6, 1)


def chosen(sample: TokenSample, tokens: list[tuple[int, int]]) -> np.ndarray:
    doc, position = zip(*tokens, strict=True)
    return sample.has(np.array(doc, np.uint64), np.array(position, np.int64))


@given(TOKENS, FRACTIONS, FRACTIONS, st.integers(0, 2**64 - 1))
def test_a_smaller_sample_lies_within_a_larger(
    tokens: list[tuple[int, int]], a: float, b: float, seed: int
) -> None:
    small, large = (TokenSample(fraction=f, seed=seed) for f in sorted((a, b)))
    assert not (chosen(small, tokens) & ~chosen(large, tokens)).any()
    assert large.part(small.fraction) == small


@given(TOKENS, FRACTIONS, st.integers(0, 2**64 - 1), st.randoms())
def test_a_token_is_chosen_whatever_is_asked_with_it(
    tokens: list[tuple[int, int]], fraction: float, seed: int, random: "np.random.Generator"
) -> None:
    sample = TokenSample(fraction=fraction, seed=seed)
    shuffled = list(tokens)
    random.shuffle(shuffled)
    together = dict(zip(shuffled, chosen(sample, shuffled), strict=True))
    assert all(chosen(sample, [token])[0] == together[token] for token in tokens[:5])


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.5, 0.99])
def test_samples_have_their_size_in_documents_of_any_length(fraction: float) -> None:
    n = 200_000
    for shape in ((n, 1), (1, n), (400, 500)):
        doc = np.repeat(np.arange(shape[0], dtype=np.uint64), shape[1])
        position = np.tile(np.arange(shape[1]), shape[0])
        found = TokenSample(fraction=fraction).has(doc, position).mean()
        spread = np.sqrt(fraction * (1 - fraction) / n)
        assert abs(found - fraction) < 5 * spread


def test_seeds_choose_independently() -> None:
    doc, position = np.zeros(100_000, np.uint64), np.arange(100_000)
    a, b = (TokenSample(fraction=0.5, seed=seed).has(doc, position) for seed in (0, 1))
    assert abs((a & b).mean() - 0.25) < 0.01


def test_all_is_all() -> None:
    assert chosen(TokenSample(), [(0, 0), (7, 9)]).all()


@pytest.mark.parametrize("fraction", [0.0, -1.0, 1.01, float("nan")])
def test_shares_that_cannot_be_are_refused(fraction: float) -> None:
    with pytest.raises(InvalidInput, match=r"write 0\.1"):
        TokenSample(fraction=fraction)


def test_more_than_is_kept_cannot_be_read() -> None:
    with pytest.raises(InvalidInput, match="Only 10 % of the tokens are kept"):
        TokenSample(fraction=0.1).part(0.2)
