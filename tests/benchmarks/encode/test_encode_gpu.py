"""The GPU benchmark's own code, at toy size on a processor."""

import numpy as np
import pytest
import torch
import typer

from benchmarks.encode.encode_gpu import CONTESTANTS, Bench, Geometry, check_device, race, tiny
from saelake.store.format.lists import Lists

CPU = torch.device("cpu")


def bench(geometry: Geometry, dtype: torch.dtype) -> Bench:
    return Bench(geometry, device=CPU, dtype=dtype, n_tokens=1, chunk_bytes=1 << 20)


def features(bench: Bench) -> list[set[tuple[int, int]]]:
    """For each document of the first page, the (feature, position) of its codes."""
    encoded = bench.encoder.encode(bench.work.pages[0], [bench.collection])
    rows = bench.encoder.pack(encoded, bench.collection)
    columns = [Lists.of(rows[name]) for name in ("features", "counts", "positions")]
    return [
        set(zip(np.repeat(feature, count).tolist(), position.tolist(), strict=True))
        for feature, count, position in zip(*columns, strict=True)
    ]


@pytest.mark.parametrize("geometry", tiny(256), ids=lambda geometry: geometry.name)
def test_contestants_find_the_same_number_of_codes(geometry: Geometry) -> None:
    table = race(bench(geometry, torch.bfloat16), rounds=1)
    assert [row[""] for row in table.rows] == list(CONTESTANTS)
    n_tokens = 4 * 256
    assert {row["codes"] for row in table.rows} == {n_tokens * geometry.k}


@pytest.mark.parametrize("geometry", tiny(256), ids=lambda geometry: geometry.name)
def test_bfloat16_finds_most_of_the_codes_of_float32(geometry: Geometry) -> None:
    exact = features(bench(geometry, torch.float32))
    rounded = features(bench(geometry, torch.bfloat16))
    shared = sum(len(a & b) for a, b in zip(exact, rounded, strict=True))
    assert shared > 0.9 * sum(map(len, exact))


def test_sizes_that_a_processor_cannot_run_are_refused() -> None:
    with pytest.raises(typer.BadParameter, match="--tiny"):
        check_device("cpu", toys=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_machine_without_a_gpu_is_told() -> None:
    with pytest.raises(typer.BadParameter, match="no CUDA device"):
        check_device("cuda", toys=False)
