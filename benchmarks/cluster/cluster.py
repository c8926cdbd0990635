"""Encoding on Ray against the same number of processes, and how many workers a driver can serve.

The overhead: k workers on a Ray that the run starts on this machine, against k processes that
encode a k-th of the texts each, in turns, with the same threads and cores. A worker's time runs
from when it is loaded to the last commit; what Ray needs to start and stop is beside it.

The driver: commits are measured on a table with many fragments, and a model of up to 1,000
workers with these costs shows how many shards a minute one driver commits (see `commits`).
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer

from benchmarks.cluster.commits import CommitCost, Load, Measured, SimulatedDriver, fitted, measure
from benchmarks.common.cores import starting_on
from benchmarks.common.needs import require
from benchmarks.common.places import DATA, ROOT
from benchmarks.common.report import Cell, Table, publish
from benchmarks.encode.course import Course, Subject
from benchmarks.encode.workload import Workload
from saelake.workers.fleet.options import EncodeOptions
from saelake.workers.run import together

OWN = (sys.executable, "-m", "benchmarks.cluster.runs")
OVERHEAD_NOTE = "the overhead is meant to be at most 5 %"
DRIVER_NOTE = "one driver is meant to commit more than 1,000 shards a minute"
FRAGMENTS = (100, 1000, 10_000, 100_000)
WORKERS = (10, 100, 300, 1000)
SIMULATED_S = 300.0
SHARD_S, INSTANT_S = 30.0, 0.5

Row = dict[str, Cell]
Result = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The texts for k workers: whole for Ray, and a part for each process alone."""

    folder: Path
    whole: Workload
    parts: Sequence[Workload]

    @classmethod
    def of(cls, folder: Path, whole: Workload, k: int) -> "Trial":
        """With `whole` cut into k parts of as many documents."""
        table = pq.read_table(whole.texts)
        size = -(-len(table) // k)
        parts = []
        for number in range(k):
            path = folder / f"part-{number}-of-{k}.parquet"
            rows = table.slice(number * size, size)
            pq.write_table(rows, path)
            parts.append(replace(whole, texts=str(path), n_documents=len(rows)))
        return cls(folder=folder, whole=whole, parts=parts)

    def alone(self) -> list[Result]:
        """The results of the processes, which run at the same time."""
        return self._results(["alone"] * len(self.parts), self.parts)

    def on_ray(self) -> Result:
        """The result of one driver and its workers."""
        (result,) = self._results(["ray"], [self.whole])
        assert result["n_repeated"] == 0
        return result

    def _results(self, kinds: Sequence[str], workloads: Sequence[Workload]) -> list[Result]:
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            processes = []
            for number, (kind, workload) in enumerate(zip(kinds, workloads, strict=True)):
                out = Path(scratch) / str(number)
                out.mkdir()
                workload.write(out / "workload.json")
                command = [*OWN, kind, str(out / "workload.json"), str(out), str(len(self.parts))]
                processes.append(_started(command, self.whole.threads * len(self.parts)))
            return [_ended(process) for process in processes]


def _started(command: Sequence[str], n_cores: int) -> "subprocess.Popen[str]":
    with starting_on(sorted(os.sched_getaffinity(0))[:n_cores]):
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _ended(process: "subprocess.Popen[str]") -> Result:
    out, err = process.communicate()
    if process.returncode:
        raise SystemExit(f"{process.args!r} failed:\n{err[-4000:]}")
    result: Result = json.loads(out.splitlines()[-1])
    return result


def overhead(trial: Trial, rounds: int) -> Row:
    """Tokens a second of both, in turns; the overhead is the median of the rounds'."""
    rates: list[tuple[float, float]] = []
    around = []
    for turn in range(rounds):
        alone, on_ray = trial.alone(), trial.on_ray()
        assert sum(result["n_tokens"] for result in alone) == on_ray["n_tokens"]
        apart = sum(result["n_tokens"] / result["seconds"] for result in alone)
        rates.append((apart, on_ray["n_tokens"] / on_ray["seconds"]))
        around.append(on_ray["around_seconds"])
        print(f"round {turn + 1}: {apart:,.0f} and {rates[-1][1]:,.0f} tokens/s", file=sys.stderr)
    return {
        "workers": len(trial.parts),
        "threads of each": trial.whole.threads,
        "processes: tokens/s": statistics.median(apart for apart, _ in rates),
        "Ray: tokens/s": statistics.median(together for _, together in rates),
        "overhead %": 100 * statistics.median(a / r - 1 for a, r in rates),
        "start and stop s": statistics.median(around),
    }


def commit_table(measured: Sequence[Measured], cost: CommitCost) -> Table:
    """Milliseconds of a commit, by what is there and what is added."""
    rows: list[Row] = []
    for n_fragments in sorted({m.n_fragments for m in measured}):
        own = {m.n_shards: 1e3 * m.seconds for m in measured if m.n_fragments == n_fragments}
        rows.append({"fragments": n_fragments, **{f"{n} shards: ms": own[n] for n in sorted(own)}})
    note = (
        f"about {1e3 * cost.fixed:.1f} ms, and {1e6 * cost.per_fragment:.2f} µs for each fragment "
        f"there and {1e3 * cost.per_shard:.2f} ms for each shard added"
    )
    return Table(title="a commit", rows=rows, note=note)


def driver_table(cost: CommitCost, call_s: float) -> Table:
    """What one driver does with more and more workers, and with such as are never the limit."""
    loads = [Load(workers=w, shard_s=SHARD_S, n_fragments=0) for w in WORKERS]
    loads += [Load(workers=WORKERS[-1], shard_s=SHARD_S, n_fragments=100_000)]
    loads += [Load(workers=WORKERS[-1], shard_s=INSTANT_S, n_fragments=n) for n in (0, 100_000)]
    policy = together(EncodeOptions())
    rows: list[Row] = []
    for load in loads:
        seconds = SIMULATED_S if load.shard_s == SHARD_S else SIMULATED_S / 10
        outcome = SimulatedDriver(load, policy, cost, call_s).run(seconds)
        rows.append(
            {
                "workers": f"{load.workers:,} of {load.shard_s:g} s a shard",
                "fragments before": load.n_fragments,
                "offered shards/min": 60 * load.workers / load.shard_s,
                "committed shards/min": 60 * outcome.n_shards / outcome.seconds,
                "shards a commit": outcome.n_shards / max(outcome.n_commits, 1),
                "driver busy %": 100 * outcome.busy_s / outcome.seconds,
            }
        )
    return Table(title="one driver, simulated with these costs", rows=rows, note=DRIVER_NOTE)


def main(
    workers: Annotated[list[int] | None, typer.Option(help="how many; repeat for more")] = None,
    documents: Annotated[int, typer.Option(help="of each worker; 0 leaves it out")] = 2000,
    shard: Annotated[int, typer.Option(help="documents of a shard")] = 500,
    rounds: int = 3,
    model: Annotated[str, typer.Option(help="minilm or stories260K")] = "minilm",
    window: int = 128,
    driver: Annotated[bool, typer.Option(help="measure commits, and simulate a driver")] = True,
    corpus: Path = DATA / "corpora" / "imdb_6k.parquet",
    folder: Annotated[Path | None, typer.Option(help="where lakes are made for a while")] = None,
) -> None:
    """Measure what Ray costs, and where a driver saturates."""
    require("ray")
    tables, n_cores = [], len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(dir=folder, prefix="saelake-cluster-") as made:
        rows = []
        for k in workers or [1, 2] if documents else []:
            course = Course(
                Path(made),
                Subject.named(model),
                corpus,
                window=window,
                threads=max(n_cores // k, 1),
            )
            whole = replace(course.documents(documents * k), shard_documents=shard)
            rows.append(overhead(Trial.of(Path(made), whole, k), rounds))
        if rows:
            title = f"{model}: {documents:,} documents a worker, in shards of {shard:,}"
            tables.append(Table(title=title, rows=rows, note=OVERHEAD_NOTE))
        if driver:
            measured = measure(Path(made), FRAGMENTS)
            cost = fitted(measured)
            call_s = _ended(_started([*OWN, "calls"], n_cores))["seconds"]
            tables += [commit_table(measured, cost), driver_table(cost, call_s)]
            print(f"Ray takes {1e3 * call_s:.2f} ms of the driver for a shard", file=sys.stderr)
    publish("cluster", tables, facts={"model": model, "rounds": rounds, "shard": shard})
