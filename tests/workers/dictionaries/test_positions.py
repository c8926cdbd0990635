import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch import Tensor

from saelake.workers.dictionaries import positions

# Few different values, so that ties at the k-th place, zeros and -0.0 are common.
values = st.sampled_from([-2.0, -0.0, 0.0, 0.5, 1.0, 1.5, 3.0])
matrices = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=values)


def strongest_by_sorting(pre: Tensor, k: int) -> list[int]:
    d_sae = pre.shape[1]
    found = []
    for row, entries in enumerate(pre.tolist()):
        ranked = sorted(range(d_sae), key=lambda feature: (-entries[feature], feature))[:k]
        found += [row * d_sae + feature for feature in ranked if entries[feature] > 0]
    return sorted(found)


@settings(deadline=None)
@given(pre=matrices, k=st.integers(1, 40))
def test_strongest_are_those_a_sort_puts_first(pre: np.ndarray, k: int) -> None:
    k = min(k, pre.shape[1])
    found = positions.strongest(torch.from_numpy(pre), k)
    assert found.tolist() == strongest_by_sorting(torch.from_numpy(pre), k)


@pytest.mark.parametrize("shape", [(64, 512), (7, 1000), (3, 515), (1, 64)])
@pytest.mark.parametrize("k", [1, 4, 32])
def test_strongest_of_wide_rows_go_through_group_maxima(shape: tuple[int, int], k: int) -> None:
    pre = torch.randn(shape, generator=torch.Generator().manual_seed(k))
    assert positions.strongest(pre, k).tolist() == strongest_by_sorting(pre, k)
    assert positions.strongest(pre - 2, k).tolist() == strongest_by_sorting(pre - 2, k)


@pytest.mark.parametrize("k", [1, 4, 32])
def test_strongest_of_wide_rows_full_of_ties(k: int) -> None:
    pre = torch.randint(-2, 4, (50, 600), generator=torch.Generator().manual_seed(k)).float()
    assert positions.strongest(pre, k).tolist() == strongest_by_sorting(pre, k)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("feature", [0, 511, 514])
def test_a_number_that_is_not_finite_is_never_left_out(bad: float, feature: int) -> None:
    pre = torch.randn((5, 515), generator=torch.Generator().manual_seed(0))
    pre[2, feature] = bad
    assert 2 * 515 + feature in positions.strongest(pre, 4)
    assert 2 * 515 + feature in positions.above(pre, 1.0)


def test_the_device_way_finds_the_same_features_and_perhaps_some_that_are_not_positive() -> None:
    pre = torch.randn((40, 300), generator=torch.Generator().manual_seed(0)) - 1.5
    found = positions._strongest_on_device(pre, 16)
    assert found.tolist() == sorted(found.tolist())
    assert found[pre.take(found) > 0].tolist() == strongest_by_sorting(pre, 16)


@settings(deadline=None)
@given(pre=matrices, floor=values)
def test_above_is_every_entry_over_the_floor(pre: np.ndarray, floor: float) -> None:
    expected = [i for i, value in enumerate(pre.ravel()) if value > floor]
    assert positions.above(torch.from_numpy(pre), floor).tolist() == expected
    assert positions._above_on_device(torch.from_numpy(pre), floor).tolist() == expected


def test_above_takes_a_floor_for_each_feature() -> None:
    pre = torch.tensor([[1.0, 2.0], [3.0, 2.5]])
    assert positions.above(pre, torch.tensor([1.0, 2.0])).tolist() == [2, 3]


@settings(deadline=None)
@given(matrices)
def test_nonzero_is_every_entry_but_zeros(codes: np.ndarray) -> None:
    found = positions.nonzero(torch.from_numpy(codes))
    assert found.tolist() == [i for i, value in enumerate(codes.ravel()) if value]


@settings(deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(0, 9), st.just(24)), elements=values))
def test_group_winners_are_the_first_maxima_of_their_groups(pre: np.ndarray) -> None:
    for groups in (1, 4, 24):
        winners = positions.group_winners(torch.from_numpy(pre), groups)
        runs = pre.reshape(-1, 24 // groups)
        assert winners.tolist() == [
            i * (24 // groups) + int(run.argmax()) for i, run in enumerate(runs)
        ]


def test_no_rows_have_no_positions() -> None:
    for width in (4, 600):
        pre = torch.empty(0, width)
        assert positions.strongest(pre, 4).tolist() == []
        assert positions.above(pre, 0.0).tolist() == []


@settings(deadline=None)
@given(pre=matrices, k=st.integers(1, 40), seed=st.integers(0, 99))
def test_strongest_of_some_are_those_of_all_whose_largest_are_among_them(
    pre: np.ndarray, k: int, seed: int
) -> None:
    k, scores = min(k, pre.shape[1]), torch.from_numpy(pre)
    some = np.random.default_rng(seed).random(pre.size) < 0.3
    found = np.union1d(np.flatnonzero(some & (pre.ravel() > 0)), strongest_by_sorting(scores, k))
    selected = torch.from_numpy(found.astype(np.int64))
    rows = selected // pre.shape[1]
    kept = positions.strongest_of(scores.take(selected), rows, len(pre), k)
    assert selected[kept].tolist() == strongest_by_sorting(scores, k)


def test_the_device_way_cuts_to_the_same() -> None:
    scores = torch.randn((6, 50), generator=torch.Generator().manual_seed(0))
    expected = scores.topk(8, dim=1).indices.sort(dim=1).values + torch.arange(6)[:, None] * 50
    found = positions._strongest_of_on_device(scores.flatten(), 6, 8)
    assert found.tolist() == expected.flatten().tolist()
