"""Finding the k largest pre-activations on the CPU, against `torch.topk`.

The two give the same positions and values in the same order. The outcome is
docs/decisions/005-topk-on-cpu.md.
"""

import time
from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from benchmarks.report import Table, publish
from saelake.workers.dictionaries.positions import strongest

ROWS = 512
D_IN = 384
SHAPES = ((1024, 16), (4096, 32), (16_384, 64), (32_768, 32), (65_536, 50))
Codes = tuple[Tensor, Tensor]


def main(
    rounds: Annotated[int, typer.Option(help="Alternations of the two.")] = 15,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
) -> None:
    """Microseconds a token of selecting top-k codes from normal pre-activations, by both ways."""
    torch.set_num_threads(threads)
    rows = [_row(d_sae, k, rounds) for d_sae, k in SHAPES]
    title = f"top k of {ROWS} tokens a chunk, microseconds a token, medians of {rounds}"
    publish("topk", [Table(title=title, rows=rows)], facts={"threads": threads})


def _row(d_sae: int, k: int, rounds: int) -> dict[str, str | float]:
    generator = torch.Generator().manual_seed(d_sae)
    pre = torch.randn(ROWS, d_sae, generator=generator)
    x, weight = torch.randn(ROWS, D_IN), torch.randn(D_IN, d_sae)
    for ours, theirs in zip(by_group_maxima(pre, k), by_topk(pre, k), strict=True):
        assert torch.equal(ours, theirs)
    calls: dict[str, Callable[[], object]] = {
        "matrix product": lambda: x @ weight,
        "torch.topk": lambda: by_topk(pre, k),
        "group maxima": lambda: by_group_maxima(pre, k),
    }
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - begun)
    micros = {name: float(np.median(seconds)) / ROWS * 1e6 for name, seconds in taken.items()}
    ratio = micros["torch.topk"] / micros["group maxima"]
    return {"d_sae, k": f"{d_sae:,}, {k}", **micros, "ratio": ratio}


def by_group_maxima(pre: Tensor, k: int) -> Codes:
    """Positions and values in order, as saelake finds them."""
    positions = strongest(pre, k)
    return positions, pre.take(positions)


def by_topk(pre: Tensor, k: int) -> Codes:
    """The same with `torch.topk` and a sort by feature."""
    features = pre.topk(k, dim=1, sorted=False).indices.sort(dim=1).values
    positions = (features + torch.arange(len(pre))[:, None] * pre.shape[1]).flatten()
    return positions, pre.take(positions)
