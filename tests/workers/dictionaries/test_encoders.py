"""Encoding by tiles gives what encoding in one piece gives, whatever the tile."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from saelake.workers.dictionaries.encoders import LinearEncoder
from saelake.workers.dictionaries.entries import Entries
from saelake.workers.dictionaries.inputs import Subtract
from saelake.workers.dictionaries.nonlinearities import (
    AbsTopK,
    Gated,
    JumpReLU,
    Nonlinearity,
    ReLU,
    Rescaled,
    TopK,
)
from saelake.workers.dictionaries.tiles import Tile

D_IN, D_SAE = 3, 60
N_CUTS = 9  # blocks, at the narrowest: more than are cut at once


def integers(*shape: int, seed: int) -> Tensor:
    """Whole numbers of a few values: sums are exact in any order, and ties are common."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-2, 3, shape, generator=generator).float()


NONLINEARITIES: list[Nonlinearity] = [
    ReLU(),
    JumpReLU(threshold=integers(D_SAE, seed=1)),
    TopK(k=1),
    TopK(k=7),
    TopK(k=D_SAE),
    AbsTopK(k=7),
    Gated(b_gate=integers(D_SAE, seed=2), b_mag=integers(D_SAE, seed=3), r_mag=torch.zeros(D_SAE)),
    Rescaled(inner=TopK(k=5), scale=torch.arange(D_SAE) % 4 + 1.0),
]


def encoder(nonlinearity: Nonlinearity, seed: int) -> LinearEncoder:
    return LinearEncoder(
        inputs=(Subtract(offset=integers(D_IN, seed=seed)),),
        W_enc=integers(D_IN, D_SAE, seed=seed + 1),
        b_enc=integers(D_SAE, seed=seed + 2),
        nonlinearity=nonlinearity,
    )


def scattered(linear: LinearEncoder, x: Tensor, tile: Tile) -> Tensor:
    """The codes `(n, d_sae)`, from their positions and values, which must ascend."""
    codes = torch.zeros(x.shape[0], D_SAE)
    for first, (position, value) in zip(
        range(0, len(x), tile.rows), linear.sparse(x, tile), strict=True
    ):
        assert (position[1:] > position[:-1]).all()
        codes.view(-1)[first * D_SAE + position] = value
    return codes


@settings(deadline=None)
@given(
    nonlinearity=st.sampled_from(NONLINEARITIES),
    n=st.integers(1, 9),
    rows=st.integers(1, 9),
    width=st.integers(D_SAE // N_CUTS, D_SAE),
    seed=st.integers(0, 1000),
)
def test_tiles_do_not_change_the_codes(
    nonlinearity: Nonlinearity, n: int, rows: int, width: int, seed: int
) -> None:
    linear, x = encoder(nonlinearity, seed), integers(n, D_IN, seed=seed)
    found = scattered(linear, x, Tile(rows=rows, width=width))
    assert torch.equal(found, linear.dense(x))


@pytest.mark.parametrize("width", [1, 7, 59])
def test_the_largest_are_found_wherever_the_blocks_begin(width: int) -> None:
    """Ascending pre-activations: each block has larger ones than all before it."""
    linear = LinearEncoder(
        W_enc=torch.arange(D_SAE).float()[None], b_enc=None, nonlinearity=TopK(k=4)
    )
    found = scattered(linear, torch.ones(2, 1), Tile(rows=2, width=width))
    assert found[0].nonzero().flatten().tolist() == [56, 57, 58, 59]
    assert torch.equal(found, linear.dense(torch.ones(2, 1)))


@settings(deadline=None)
@given(width=st.integers(1, D_SAE), k=st.integers(1, 9), seed=st.integers(0, 99))
def test_among_equals_at_the_kth_place_the_lowest_features_win(
    width: int, k: int, seed: int
) -> None:
    pre = torch.randint(0, 3, (4, D_SAE), generator=torch.Generator().manual_seed(seed)).float()
    linear = LinearEncoder(W_enc=pre, b_enc=None, nonlinearity=TopK(k=k))
    codes = scattered(linear, torch.eye(4), Tile(rows=4, width=width))
    for row, entries in zip(codes, pre.tolist(), strict=True):
        ranked = sorted(range(D_SAE), key=lambda f: (-entries[f], f))[:k]
        expected = [f for f in sorted(ranked) if entries[f] > 0]
        assert row.nonzero().flatten().tolist() == expected


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("feature", [0, 31, 59])
def test_a_number_that_is_not_finite_is_never_left_out(bad: float, feature: int) -> None:
    weight = integers(D_IN, D_SAE, seed=5)
    weight[0, feature] = bad
    linear = LinearEncoder(W_enc=weight, b_enc=None, nonlinearity=TopK(k=2))
    for position, value in linear.sparse(torch.ones(3, D_IN), Tile(rows=3, width=8)):
        assert not value[position % D_SAE == feature].isfinite().any()
        assert set((position // D_SAE).tolist()) == {0, 1, 2}


@pytest.mark.gpu
@pytest.mark.parametrize("nonlinearity", NONLINEARITIES, ids=lambda n: n.kind)
def test_an_accelerator_cuts_blocks_as_it_selects(nonlinearity: Nonlinearity) -> None:
    device, x = torch.device("cuda"), torch.randn(40, D_IN)
    linear = encoder(nonlinearity, 0).to(device, torch.float32)
    codes = torch.zeros(40, D_SAE, device=device)
    for position, value in linear.sparse(x.to(device), Tile(rows=40, width=7)):
        codes.view(-1)[position] = value
    torch.testing.assert_close(codes.cpu(), encoder(nonlinearity, 0).dense(x))


def test_entries_of_several_blocks_ascend() -> None:
    shape = (2, 10)
    first = Entries(position=torch.tensor([1, 12]), pre=torch.tensor([1.0, 2.0]), shape=shape)
    second = Entries(position=torch.tensor([5, 16]), pre=torch.tensor([3.0, 4.0]), shape=shape)
    joined = Entries.joined([first, second])
    assert joined.position.tolist() == [1, 5, 12, 16]
    assert joined.pre.tolist() == [1.0, 3.0, 2.0, 4.0]
    assert joined.row.tolist() == [0, 0, 1, 1]
    assert joined.feature.tolist() == [1, 5, 2, 6]
