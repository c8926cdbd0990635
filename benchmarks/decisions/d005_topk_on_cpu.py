"""Finding the k largest pre-activations on the CPU, against `torch.topk`; and by tiles.

All ways give the same positions and values in the same order. The outcome is
docs/decisions/005-topk-on-cpu.md.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from benchmarks.common.measure import elapsed_s
from benchmarks.common.report import Table, publish
from saelake.workers.dictionaries.base import CHUNK_BYTES
from saelake.workers.dictionaries.encoders import LinearEncoder
from saelake.workers.dictionaries.nonlinearities import TopK
from saelake.workers.dictionaries.positions import strongest
from saelake.workers.dictionaries.tiles import Tile

ROWS = 512
D_IN = 384
SHAPES = ((1024, 16), (4096, 32), (16_384, 64), (32_768, 32), (65_536, 50))
TILED = ((4096, 32, 384), (65_536, 50, 384), (1 << 20, 32, 64))
TILED_ROUNDS = 5
Codes = tuple[Tensor, Tensor]


def main(
    rounds: Annotated[int, typer.Option(help="Alternations of the two.")] = 15,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
) -> None:
    """Microseconds a token of selecting top-k codes from normal pre-activations, by both ways."""
    torch.set_num_threads(threads)
    rows = [_row(d_sae, k, rounds) for d_sae, k in SHAPES]
    title = f"top k of {ROWS} tokens a chunk, microseconds a token, medians of {rounds}"
    tiled = [_tiled_row(*shape) for shape in TILED]
    tiled_title = f"product and top k of {ROWS} tokens, microseconds a token, within 64 MiB"
    tables = [Table(title=title, rows=rows), Table(title=tiled_title, rows=tiled)]
    publish("topk", tables, facts={"threads": threads})


def _tiled_row(d_sae: int, k: int, d_in: int) -> dict[str, str | float]:
    """All features of few tokens at a time, against some features of many tokens."""
    encoder = LinearEncoder(
        W_enc=torch.randn(d_in, d_sae), b_enc=torch.randn(d_sae), nonlinearity=TopK(k=k)
    )
    x = torch.randn(ROWS, d_in)
    ways = {
        "whole rows": Tile.whole_rows(d_sae, chunk_bytes=CHUNK_BYTES, item_bytes=4, cpu=True),
        "tiles": Tile.fitting(d_sae, chunk_bytes=CHUNK_BYTES, item_bytes=4, cpu=True),
    }
    micros = _medians(
        {name: partial(_encode, encoder, x, tile) for name, tile in ways.items()},
        TILED_ROUNDS,
    )
    ratio = micros["whole rows"] / micros["tiles"]
    tiles = {f"{name} are": f"{tile.rows} × {tile.width:,}" for name, tile in ways.items()}
    return {"d_sae, k, d_in": f"{d_sae:,}, {k}, {d_in}", **tiles, **micros, "ratio": ratio}


def _encode(encoder: LinearEncoder, x: Tensor, tile: Tile) -> list[object]:
    return list(encoder.sparse(x, tile))


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
    micros = _medians(calls, rounds)
    ratio = micros["torch.topk"] / micros["group maxima"]
    return {"d_sae, k": f"{d_sae:,}, {k}", **micros, "ratio": ratio}


def _medians(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Microseconds a token of each call, in turns; the first turn is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            taken[name].append(elapsed_s(call))
    return {name: float(np.median(seconds[1:])) / ROWS * 1e6 for name, seconds in taken.items()}


def by_group_maxima(pre: Tensor, k: int) -> Codes:
    """Positions and values in order, as saelake finds them."""
    positions = strongest(pre, k)
    return positions, pre.take(positions)


def by_topk(pre: Tensor, k: int) -> Codes:
    """The same with `torch.topk` and a sort by feature."""
    features = pre.topk(k, dim=1, sorted=False).indices.sort(dim=1).values
    positions = (features + torch.arange(len(pre))[:, None] * pre.shape[1]).flatten()
    return positions, pre.take(positions)
