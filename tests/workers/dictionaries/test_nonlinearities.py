"""Each nonlinearity's sparse form against its dense formula, and the formula against loops."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from saelake.workers.dictionaries.entries import Entries
from saelake.workers.dictionaries.nonlinearities import (
    AbsTopK,
    Gated,
    GroupMax,
    JumpReLU,
    Nonlinearity,
    ReLU,
    Rescaled,
    TopK,
)

D_SAE = 96


def _vector(seed: int) -> Tensor:
    return torch.randn(D_SAE, generator=torch.Generator().manual_seed(seed))


THRESHOLD, B_GATE, B_MAG, R_MAG = (_vector(seed) for seed in range(4))

Rule = Callable[[list[float]], list[float]]


def jumped(row: list[float]) -> list[float]:
    return [max(p, 0.0) * (p > t) for p, t in zip(row, THRESHOLD.tolist(), strict=True)]


def largest(row: list[float], k: int, key: Callable[[float], float]) -> list[float]:
    kept = sorted(range(len(row)), key=lambda i: (-key(row[i]), i))[:k]
    return [row[i] if i in kept else 0.0 for i in range(len(row))]


def group_max(row: list[float], groups: int) -> list[float]:
    size = len(row) // groups
    starts = range(0, len(row), size)
    winners = {max(range(i, i + size), key=lambda j: (row[j], -j)) for i in starts}
    return [max(row[i], 0.0) if i in winners else 0.0 for i in range(len(row))]


def gated(row: list[float]) -> list[float]:
    magnitude = (torch.tensor(row) * R_MAG.exp() + B_MAG).tolist()
    gates = (torch.tensor(row) + B_GATE).tolist()
    return [max(m, 0.0) if gate > 0 else 0.0 for m, gate in zip(magnitude, gates, strict=True)]


RULES: list[tuple[Nonlinearity, Rule]] = [
    (ReLU(), lambda row: [max(p, 0.0) for p in row]),
    (JumpReLU(threshold=THRESHOLD), jumped),
    (TopK(k=5), lambda row: [max(p, 0.0) for p in largest(row, 5, key=float)]),
    (TopK(k=D_SAE), lambda row: [max(p, 0.0) for p in row]),
    (AbsTopK(k=5), lambda row: largest(row, 5, key=abs)),
    (GroupMax(groups=8), lambda row: group_max(row, 8)),
    (Gated(b_gate=B_GATE, b_mag=B_MAG, r_mag=R_MAG), gated),
    (
        Rescaled(inner=TopK(k=3), scale=THRESHOLD.exp()),
        lambda row: (
            torch.tensor([max(p, 0.0) for p in largest(row, 3, key=float)]) * THRESHOLD.exp()
        ).tolist(),
    ),
]


@pytest.mark.parametrize(("nonlinearity", "rule"), RULES, ids=lambda it: getattr(it, "kind", ""))
@pytest.mark.parametrize("shift", [0.0, -2.0])
def test_dense_and_sparse_codes_follow_the_rule(
    nonlinearity: Nonlinearity, rule: Rule, shift: float
) -> None:
    pre = torch.randn(30, D_SAE, generator=torch.Generator().manual_seed(9)) + shift
    expected = torch.tensor([rule(row) for row in pre.tolist()])
    torch.testing.assert_close(nonlinearity.dense(pre), expected)

    positions = nonlinearity.select(pre, slice(0, D_SAE))
    assert (positions[1:] > positions[:-1]).all()
    selected = Entries(position=positions, pre=pre.take(positions), shape=(30, D_SAE))
    values = nonlinearity.values(selected)
    scattered = torch.zeros(pre.numel()).index_put((positions,), values).view_as(pre)
    torch.testing.assert_close(scattered, expected)


@pytest.mark.parametrize("nonlinearity", [n for n, _ in RULES], ids=lambda n: n.kind)
def test_only_signed_ones_are_negative(nonlinearity: Nonlinearity) -> None:
    pre = torch.randn(30, D_SAE, generator=torch.Generator().manual_seed(9))
    assert nonlinearity.signed == bool((nonlinearity.dense(pre) < 0).any())
