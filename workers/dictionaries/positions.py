"""Positions: which entries of a dense matrix of pre-activations become codes.

A position is `row * d_sae + feature`. All functions here return positions `(m,) int64` in
ascending order, which is the order of :class:`TokenCodes`. On an accelerator they stay on the
device. On the CPU they use numpy, whose comparisons, `partition` and `flatnonzero` are vectorised
where torch's are not. Measured on a Zen 5 core for k = 32 of 4,096, per token: `torch.topk` and a
sort of its indices 12.6 us, :func:`strongest` 4.0 us, beside 36 us for the matrix product; for
k = 64 of 16,384, 43 and 12 us.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_Floats = npt.NDArray[np.float32]
_Positions = npt.NDArray[np.int64]

# The smallest positive normal float32: from here on an entry counts as positive.
_TINY = np.finfo(np.float32).tiny

# A row is reduced to this many times k group maxima before its k-th largest is looked for, which
# leaves about k/16 candidates too many. Nothing from 2 to 16 was measurably faster.
_GROUPS_PER_K = 8


def above(pre: Tensor, floor: Tensor | float) -> Tensor:
    """The positions of the entries of `pre` `(n, d_sae)` that are not `<= floor`.

    `floor` is a number or `(d_sae,)`. A NaN is not below any floor, so that its position is
    returned and the caller can refuse it.
    """
    if pre.device.type != "cpu":
        return _above_on_device(pre, floor)
    below = np.less_equal(pre.numpy(), floor.numpy() if isinstance(floor, Tensor) else floor)
    return torch.from_numpy(np.flatnonzero(np.logical_not(below, out=below)))


def _above_on_device(pre: Tensor, floor: Tensor | float) -> Tensor:
    return (pre <= floor).logical_not_().flatten().nonzero().squeeze(1)


def nonzero(codes: Tensor) -> Tensor:
    """The positions of the entries of `codes` `(n, d_sae)` that are not zero; NaN is not zero."""
    if codes.device.type != "cpu":
        return codes.flatten().nonzero().squeeze(1)
    return torch.from_numpy(np.flatnonzero(codes.numpy()))


def strongest(pre: Tensor, k: int) -> Tensor:
    """The positions of each row's `k` largest positive entries (fewer where fewer are positive).

    Among equal values at the k-th place the CPU takes the lowest features; an accelerator takes
    those that `torch.topk` takes, which is not specified. On an accelerator positions of entries
    `<= 0` are returned too, for dropping them would wait for the device.
    """
    if pre.device.type == "cpu":
        return torch.from_numpy(_strongest(pre.numpy(), k))
    return _strongest_on_device(pre, k)


def _strongest_on_device(pre: Tensor, k: int) -> Tensor:
    features = pre.topk(k, dim=1, sorted=False).indices.sort(dim=1).values
    rows = torch.arange(len(pre), device=pre.device).unsqueeze(1)
    return (rows * pre.shape[1] + features).flatten()


def strongest_of(scores: Tensor, rows: Tensor, n: int, k: int) -> Tensor:
    """The indices, ascending, of each row's `k` largest scores, of those that were selected.

    `scores` and `rows`, both `(m,)`, are by ascending position in a matrix of `n` rows; ties as
    :func:`strongest` has them. On an accelerator every row must have as many.
    """
    if scores.device.type == "cpu":
        return torch.from_numpy(_strongest_of(scores.numpy(), rows.numpy(), n, k))
    return _strongest_of_on_device(scores, n, k)


def _strongest_of(scores: _Floats, rows: _Positions, n: int, k: int) -> _Positions:
    if not np.isfinite(scores).all():  # the caller refuses them: which of them is all one
        return np.arange(len(scores))
    return np.flatnonzero(_within_k(scores, rows, n, k))


def _strongest_of_on_device(scores: Tensor, n: int, k: int) -> Tensor:
    each = len(scores) // max(n, 1)
    kept = scores.view(n, each).topk(min(k, each), dim=1, sorted=False).indices.sort(dim=1).values
    return (torch.arange(n, device=scores.device).unsqueeze(1) * each + kept).flatten()


def group_winners(pre: Tensor, groups: int) -> Tensor:
    """The position of the largest entry in each of a row's `groups` equal runs of features."""
    n, d_sae = pre.shape
    winners = pre.view(n * groups, d_sae // groups).argmax(dim=1)
    return winners + torch.arange(n * groups, device=pre.device) * (d_sae // groups)


def _strongest(pre: _Floats, k: int) -> _Positions:
    """Candidates from a cheap lower bound of each row's k-th largest entry, then the exact cut."""
    bound = np.maximum(_kth_lower_bound(pre, k), _TINY)
    below = np.less(pre, bound[:, None])  # a NaN is below no bound
    candidates = np.flatnonzero(np.logical_not(below, out=below))
    values = pre.reshape(-1)[candidates]
    if not np.isfinite(values).all():  # the caller refuses them: which of them is all one
        return candidates
    return candidates[_within_k(values, candidates // pre.shape[1], len(pre), k)]


def _kth_lower_bound(pre: _Floats, k: int) -> _Floats:
    """A value `(n,)` that at least k entries of the row reach: its k-th largest group maximum."""
    groups = _GROUPS_PER_K * k
    whole = pre.shape[1] - pre.shape[1] % groups
    if whole < 2 * groups:
        return _kth_largest(pre, k)
    # Groups are strided, for torch to take all their maxima in one vectorised sweep of the row.
    grouped = torch.from_numpy(pre)[:, :whole].view(len(pre), whole // groups, groups)
    return _kth_largest(grouped.amax(dim=1).numpy(), k)


def _kth_largest(rows: _Floats, k: int) -> _Floats:
    place = rows.shape[1] - k
    return np.partition(rows, place, axis=1)[:, place]


def _within_k(values: _Floats, rows: _Positions, n: int, k: int) -> npt.NDArray[np.bool_]:
    """Which of the values are among the `k` largest of their row; rows ascend, ties go in order."""
    counts = np.bincount(rows, minlength=n)
    widest = int(counts.max(initial=0))
    if widest <= k:
        return np.ones(len(values), dtype=bool)
    starts = np.cumsum(counts) - counts
    padded = np.full((n, widest), -np.inf, dtype=values.dtype)
    padded[rows, np.arange(len(rows)) - starts[rows]] = values
    kth = _kth_largest(padded, k)[rows]
    kept = values >= kth
    if np.bincount(rows[kept], minlength=n).max() > k:  # ties at the k-th place
        kept = _first_ties(values, kth, rows, n, k)
    return kept


def _first_ties(
    values: _Floats, kth: _Floats, rows: _Positions, n: int, k: int
) -> npt.NDArray[np.bool_]:
    """The values above their row's k-th, and of those equal to it the first that fill up k."""
    larger = values > kth
    room = k - np.bincount(rows[larger], minlength=n)
    tied = values == kth
    ties = np.bincount(rows[tied], minlength=n)
    rank = np.cumsum(tied) - (np.cumsum(ties) - ties)[rows]
    kept: npt.NDArray[np.bool_] = larger | (tied & (rank <= room[rows]))
    return kept
