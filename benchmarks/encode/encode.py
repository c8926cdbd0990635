"""Encoding on the CPU against its limit and its peers: speed, memory and size on disk.

Contestants take turns, each in a fresh process with the same cores, from texts or tokens that are
ready and a model that is loaded to codes on disk:

- bare: the model cut off at the hook, the dictionary's encode, codes dropped. It begins with
  saelake's own batches, already tokenised: what no encoder can be faster than.
- saelake: import and encode, from a Parquet file to committed tables; then with the index as well.
- delphi: `LatentCache.run` and `save_splits`, from token ids that are ready.
- interp_embed: `Dataset` and `save_to_file`, from texts in memory.

The peers have no batches of documents of mixed lengths, so that with them every text is cut to one
full window: the inputs of the model are then the same for all, without padding. Special tokens are
read and get no codes, which the peers are made to leave out. Everyone finds the same number of
codes, or the run fails.
"""

import os
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common.places import DATA
from benchmarks.common.report import Cell, Table, publish
from benchmarks.encode.course import Command, Course, Result, Subject, contestants
from benchmarks.encode.workload import Workload

SEQUENCES = 32  # delphi drops what does not fill a batch of 32
MEMORY_BYTES, MEMORY_SHARD, MEMORY_GROWTH = 32 << 20, 200, 10
SPEED_NOTE = "saelake is meant to reach 0.90 of bare, and to be faster than each peer"
SIZE_NOTE = "meant: 4.8 and 6.5 bytes in 16 bits; 3.6 and 5 in 8 bits"
MEMORY_NOTE = "meant to stay within 10 %"

Row = dict[str, Cell]


def race(
    course: Course, commands: Mapping[str, Command], workload: Workload, rounds: int
) -> dict[str, list[Result]]:
    """The results of each contestant, a round at a time."""
    results: dict[str, list[Result]] = {name: [] for name in commands}
    for turn in range(rounds):
        for name, command in commands.items():
            result = course.run(command, workload)
            results[name].append(result)
            taken = f"{result['seconds']:.2f} s, {result['cpu_seconds']:.2f} s of processors"
            print(f"round {turn + 1}: {name} {taken}", file=sys.stderr, flush=True)
    codes = {name: runs[0]["n_codes"] for name, runs in results.items()}
    assert len(set(codes.values())) == 1, codes
    return results


def speed_table(title: str, results: Mapping[str, list[Result]]) -> Table:
    """Medians over the rounds; a ratio is between runs of one round."""
    bare = results["bare"]
    rows: list[Row] = []
    for name, runs in results.items():
        rows.append(_speed_row(name, runs, bare))
        if "index_seconds" in runs[0]:
            rows.append(_speed_row(f"{name}, indexed", [_indexed(r) for r in runs], bare))
    return Table(title=title, rows=rows, note=SPEED_NOTE)


def _indexed(result: Result) -> Result:
    """A run together with the index that followed it."""
    return {
        **result,
        "seconds": result["seconds"] + result["index_seconds"],
        "peak_bytes": max(result["peak_bytes"], result["index_peak_bytes"]),
        "codes_bytes": result["codes_bytes"] + result["index_bytes"],
    }


def _speed_row(name: str, runs: list[Result], bare: list[Result]) -> Row:
    first = runs[0]
    ratios = (b["seconds"] / r["seconds"] for r, b in zip(runs, bare, strict=True))
    return {
        "": name,
        "tokens/s": statistics.median(r["n_tokens"] / r["seconds"] for r in runs),
        "of bare": statistics.median(ratios),
        "peak MiB": statistics.median(r["peak_bytes"] for r in runs) / 2**20,
        "above load MiB": statistics.median(r["grown_bytes"] for r in runs) / 2**20,
        "codes": int(first["n_codes"]),
        "bytes/code": first["codes_bytes"] / first["n_codes"] if "codes_bytes" in first else None,
    }


def size_table(title: str, results: Mapping[str, Result]) -> Table:
    """Bytes of all files of the tables, a code."""
    rows: list[Row] = [
        {
            "values": values,
            "codes": int(result["n_codes"]),
            "codes table": result["codes_bytes"] / result["n_codes"],
            "with postings and features": _indexed(result)["codes_bytes"] / result["n_codes"],
        }
        for values, result in results.items()
    ]
    return Table(title=f"{title}: bytes a code", rows=rows, note=SIZE_NOTE)


def memory_table(title: str, results: Mapping[int, Result]) -> Table:
    """Peaks of the process; the index is made in the process that encoded."""
    rows: list[Row] = [
        {
            "documents": f"{n_documents:,}",
            "tokens": int(result["n_tokens"]),
            "encode: peak MiB": result["peak_bytes"] / 2**20,
            "above load MiB": result["grown_bytes"] / 2**20,
            "index: peak MiB": result["index_peak_bytes"] / 2**20,
        }
        for n_documents, result in results.items()
    ]
    small, large = results.values()
    rows.append(
        {
            "documents": f"× {MEMORY_GROWTH}",
            "tokens": None,
            "encode: peak MiB": large["peak_bytes"] / small["peak_bytes"],
            "above load MiB": large["grown_bytes"] / small["grown_bytes"],
            "index: peak MiB": large["index_peak_bytes"] / small["index_peak_bytes"],
        }
    )
    return Table(title=title, rows=rows, note=MEMORY_NOTE)


def main(
    model: Annotated[str, typer.Option(help="minilm or stories260K")] = "minilm",
    documents: Annotated[int, typer.Option(help="windows in the race with the peers")] = 960,
    whole: Annotated[int, typer.Option(help="whole documents in the race with the limit")] = 1000,
    memory: Annotated[int, typer.Option(help="documents of the memory row, then 10 times")] = 600,
    rounds: int = 3,
    window: int = 128,
    threads: int = min(os.cpu_count() or 1, 8),
    peers_python: Annotated[
        Path | None, typer.Option(help="a Python with eai-delphi and interp-embed")
    ] = None,
    corpus: Path = DATA / "corpora" / "imdb_6k.parquet",
    folder: Annotated[Path | None, typer.Option(help="where lakes are made for a while")] = None,
) -> None:
    """Race saelake's encode against the bare loop and its peers, and weigh what it stores.

    A count of 0 leaves a table out.
    """
    commands = contestants(peers_python)
    own = {name: commands[name] for name in ("bare", "saelake")}
    tables = []
    with tempfile.TemporaryDirectory(dir=folder, prefix="saelake-encode-") as made:
        course = Course(Path(made), Subject.named(model), corpus, window=window, threads=threads)
        if documents:
            workload = course.windows(-(-documents // SEQUENCES) * SEQUENCES)
            title = f"{model}: {workload.n_documents:,} windows, {workload.n_tokens:,} tokens"
            tables.append(speed_table(title, race(course, commands, workload, rounds)))
        if whole:
            workload = course.documents(whole)
            title = f"{model}: {workload.n_documents:,} documents, {workload.n_tokens:,} tokens"
            results = race(course, own, workload, rounds)
            in_8_bits = course.run(own["saelake"], replace(workload, values="8-bit"))
            tables.append(speed_table(title, results))
            tables.append(size_table(title, {"16-bit": results["saelake"][0], "8-bit": in_8_bits}))
        if memory:
            title = f"{model}: memory, set to {MEMORY_BYTES >> 20} MiB"
            peaks = {
                n: course.run(own["saelake"], _frugal(course.windows(n)))
                for n in (memory, MEMORY_GROWTH * memory)
            }
            tables.append(memory_table(title, peaks))
    publish("encode", tables, facts={"model": model, "threads": threads, "rounds": rounds})


def _frugal(workload: Workload) -> Workload:
    """With settings that a few hundred documents reach already."""
    return replace(workload, memory_bytes=MEMORY_BYTES, shard_documents=MEMORY_SHARD)
