"""Whether a language model's server is kept busy: `python -m benchmarks explain --lake demo-lake`.

The server is another process, which answers each request after a set time and computes nothing. It
is idle for the share of time in which it could have answered more. Nothing is written to the lake.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import saelake
from benchmarks.common.report import Cell, Table, publish
from benchmarks.query.evidence import DEMO
from saelake.collection import Collection
from saelake.explaining.evidence import FeatureEvidence
from saelake.explaining.reading import EvidenceReader
from saelake.explaining.run.ahead import Ahead
from saelake.explaining.run.chosen import FeatureChoice
from saelake.explaining.run.running import ExplainRun
from saelake.language.settings import LanguageSettings
from tests.language_server import Asked, Say, scripted

QUIET = 2.0  # of the load, above which results are printed and not kept


@dataclass(slots=True)
class _Spent:
    """Seconds that evidence took: of the thread's CPU, and of the clock."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _TimedRun(ExplainRun):
    """A run that says what its evidence took."""

    spent: _Spent

    def evidence(self, names: Sequence[str]) -> Ahead[FeatureEvidence]:
        """See `ExplainRun`."""
        reader = EvidenceReader(self.collection, self.options.shown)
        return Ahead(self._timed(reader.read(names)), self.model.concurrency)

    def _timed(self, items: Iterator[FeatureEvidence]) -> Iterator[FeatureEvidence]:
        while True:
            cpu, wall = time.thread_time(), time.perf_counter()
            item = next(items, None)
            if item is None:
                return
            self.spent.cpu.append(time.thread_time() - cpu)
            self.spent.wall.append(time.perf_counter() - wall)
            yield item


def main(
    lake: Annotated[str, typer.Option(help="the lake, or its server")] = "demo-lake",
    collection: Annotated[str, typer.Option()] = DEMO,
    features: Annotated[int, typer.Option(help="how many, drawn by chance")] = 1000,
    delays_ms: Annotated[str, typer.Option(help="after which the server answers")] = "250,500",
    at_once: Annotated[int, typer.Option(help="requests that are under way")] = 32,
    seed: int = 0,
) -> None:
    """Explain features and score the labels, by a server that answers after a set time."""
    found = saelake.connect(lake)[collection]
    live = FeatureChoice().of(found)
    drawn = np.random.default_rng(seed).choice(live, min(features, len(live)), replace=False)
    names = [str(name) for name in drawn]
    rows = [_row(found, names, int(ms) / 1e3, at_once) for ms in delays_ms.split(",")]
    table = Table(title="A server of a language model, kept busy", rows=rows)
    load = os.getloadavg()[0]
    facts: dict[str, Cell] = {"lake": Path(lake).name, "features": len(names), "load": load}
    if load < QUIET:
        publish("explain", [table], facts=facts)
    else:
        print(f"Not kept: the load is {load:.1f}, of a machine that others use too.")
        print("\n".join(str(row) for row in rows))


def _row(found: Collection, names: Sequence[str], delay_s: float, at_once: int) -> dict[str, Cell]:
    spent = _Spent()
    deaf: Any = _Deaf(found.transport)
    with served(delay_s) as url, tempfile.TemporaryDirectory() as cache:
        run = _TimedRun(
            collection=replace(found, transport=deaf),
            model=LanguageSettings(base_url=url, model="scripted", concurrency=at_once),
            choice=FeatureChoice(features=names),
            cache=cache,
            spent=spent,
        )
        cpu, wall = time.process_time(), time.perf_counter()
        report = asyncio.run(run.report())
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    n = report.taken.n_requests
    return {
        "ms an answer": round(1e3 * delay_s),
        "requests": n,
        "requests/s": n / wall,
        "server idle": f"{1 - n * delay_s / at_once / wall:.0%}",
        "CPU ms a request": 1e3 * (cpu - sum(spent.cpu)) / n,
        "evidence: CPU ms a feature": 1e3 * float(np.mean(spent.cpu)),
        "evidence: ms a feature": 1e3 * float(np.mean(spent.wall)),
    }


class _Deaf:
    """A transport that is told of labels and keeps none."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def tell(self, command: object, rows: object = None, /) -> None:
        """Nothing."""


def answer(asked: Asked) -> str:
    """What can be read: an explanation, or a list of as many answers as there are examples."""
    n = len(re.findall(r"^Example \d+:", asked.text, re.MULTILINE))
    is_judge = "Latent explanation:" in asked.text
    return str([i % 2 for i in range(n)]) if is_judge else "[EXPLANATION]: words that come often"


def serve(delay_s: float, say: Callable[[Asked], str] = answer) -> None:
    """A server, until the input ends."""
    with scripted(lambda asked: Say(say(asked), delay_s=delay_s)) as server:
        print(server.base_url, flush=True)
        sys.stdin.read()


@contextmanager
def served(delay_s: float) -> Iterator[str]:
    """The address of a server in a process of its own."""
    code = f"from benchmarks.query.explain import serve; serve({delay_s})"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()  # its input ends


if __name__ == "__main__":
    typer.run(main)
