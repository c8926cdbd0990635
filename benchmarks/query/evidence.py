"""What evidence for a feature takes: `python -m benchmarks evidence --lake demo-lake`."""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import typer

import saelake
from benchmarks.common.report import Cell, Table, publish
from saelake.explaining.evidence import EvidenceOptions
from saelake.explaining.reading import EvidenceReader

DEMO = "docstrings/minilm-l4-4096"


@dataclass
class Timed:
    """A transport that counts what its questions take."""

    transport: Any
    asked: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    wall: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    cpu: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def ask(self, query: Any, /, *, at: str | None = None) -> pa.RecordBatchReader:
        """The answer, read whole."""
        wall, cpu = time.perf_counter(), time.process_time()
        answer = self.transport.ask(query, at=at).read_all()
        self.asked[query.question] += 1
        self.wall[query.question] += time.perf_counter() - wall
        self.cpu[query.question] += time.process_time() - cpu
        return answer.to_reader()


def main(
    lake: Annotated[str, typer.Option(help="the lake, or its server")] = "demo-lake",
    collection: Annotated[str, typer.Option()] = DEMO,
    features: Annotated[int, typer.Option(help="how many, drawn by chance")] = 300,
    together: Annotated[bool, typer.Option(help="also by those that fire together")] = False,
    alike: Annotated[bool, typer.Option(help="also documents alike by dense embeddings")] = False,
    seed: int = 0,
) -> None:
    """Say what each question takes, for each feature."""
    found = saelake.connect(lake)[collection]
    live = [row.feature for row in found.features(k=None) if row.document_frequency]
    chosen = np.random.default_rng(seed).choice(live, min(features, len(live)), replace=False)
    names = [int(feature) for feature in np.sort(chosen)]
    options = EvidenceOptions(together=together, alike=alike)
    timed = Timed(found.transport)
    reader = EvidenceReader(replace(found, transport=timed), options)
    next(reader.read(names[:1]))  # what is read once: statistics, and indexes of the lake
    tables: list[Table] = []
    facts: dict[str, Cell] = {"lake": Path(lake).name, "features": len(names)}
    for title in ("Evidence for a feature", "Where hits are kept"):
        for counts in (timed.asked, timed.wall, timed.cpu):
            counts.clear()
        cpu, each = time.process_time(), list(_times(reader, names))
        cpu = time.process_time() - cpu
        facts[f"{title.lower()}: median ms"] = round(1e3 * float(np.median(each)), 2)
        rows: list[dict[str, Cell]] = [
            {
                "": question,
                "asked": n / len(names),
                "ms": 1e3 * timed.wall[question] / len(names),
                "CPU ms": 1e3 * timed.cpu[question] / len(names),
            }
            for question, n in timed.asked.items()
        ]
        own = sum(each) - sum(timed.wall.values()), cpu - sum(timed.cpu.values())
        rows.append({"": "the reader itself", **_each(own, len(names))})
        rows.append({"": "together", **_each((sum(each), cpu), len(names))})
        tables.append(Table(title=title, rows=rows))
    publish("evidence", tables, facts=facts)


def _each(seconds: tuple[float, float], n: int) -> dict[str, Cell]:
    wall, cpu = seconds
    return {"asked": None, "ms": 1e3 * wall / n, "CPU ms": 1e3 * cpu / n}


def _times(reader: EvidenceReader, names: list[int]) -> Iterator[float]:
    """The seconds until the evidence for each feature was there."""
    begun = time.perf_counter()
    for _ in reader.read(names):
        yield time.perf_counter() - begun
        begun = time.perf_counter()


if __name__ == "__main__":
    typer.run(main)
