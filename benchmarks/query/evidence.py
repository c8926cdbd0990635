"""What evidence for a feature takes: `python -m benchmarks evidence --lake demo-lake`."""

import os
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import typer

import saelake
from benchmarks.common.report import Cell, Table, publish
from saelake.explaining.evidence import EvidenceOptions
from saelake.explaining.reading import AT_ONCE, EvidenceReader

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

    def forget(self) -> None:
        """Count from nothing."""
        for counts in (self.asked, self.wall, self.cpu):
            counts.clear()

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
    features: Annotated[int, typer.Option(help="how many, drawn by chance")] = 640,
    together: Annotated[bool, typer.Option(help="also by those that fire together")] = False,
    alike: Annotated[bool, typer.Option(help="also documents alike by dense embeddings")] = False,
    seed: int = 0,
) -> None:
    """Say what evidence takes, for each feature of a run over many, and what of it each question.

    Medians are over so many features as are read together: their time, by their number.
    """
    found = saelake.connect(lake)[collection]
    live = [row.feature for row in found.features(k=None) if row.document_frequency]
    chosen = np.random.default_rng(seed).choice(live, min(features, len(live)), replace=False)
    names = [int(feature) for feature in np.sort(chosen)]
    options = EvidenceOptions(together=together, alike=alike)
    timed = Timed(found.transport)
    reader = EvidenceReader(replace(found, transport=timed), options)
    next(reader.read(names[:1]))  # what is read once: statistics, and indexes of the lake
    load = os.getloadavg()[0]
    facts: dict[str, Cell] = {"lake": Path(lake).name, "features": len(names), "load": load}
    tables: list[Table] = []
    runs = {
        "Evidence for a feature": (names, AT_ONCE),
        "Where hits are kept": (names, AT_ONCE),
        "Where hits are kept, one feature after the other": (names[:AT_ONCE], 1),
    }
    for title, (some, at_once) in runs.items():
        timed.forget()
        each = [_taken(reader, some[i : i + at_once]) for i in range(0, len(some), at_once)]
        for what, values in zip(("ms", "CPU ms"), zip(*each, strict=True), strict=True):
            of_each = np.array(values) / _sizes(some, at_once)
            facts[f"{title}: median {what}"] = round(1e3 * float(np.median(of_each)), 2)
            facts[f"{title}: least {what}"] = round(1e3 * float(of_each.min()), 2)
        whole: tuple[float, ...] = tuple(map(sum, zip(*each, strict=True)))
        tables.append(Table(title=title, rows=_rows(timed, whole, len(some))))
    publish("evidence", tables, facts=facts)


def _sizes(names: list[int], at_once: int) -> Any:
    """How many features are read each time: the last may be fewer."""
    return np.array([len(names[i : i + at_once]) for i in range(0, len(names), at_once)])


def _taken(reader: EvidenceReader, names: list[int]) -> tuple[float, float]:
    """The seconds until the evidence for all of these was there, and those of all cores."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in reader.read(names):
        pass
    return time.perf_counter() - wall, time.process_time() - cpu


def _rows(timed: Timed, whole: tuple[float, ...], n: int) -> list[dict[str, Cell]]:
    """What each question took of the whole (seconds, and those of cores), for each feature."""
    rows: list[dict[str, Cell]] = [
        {"": question, "asked": asked / n, **_each((timed.wall[question], timed.cpu[question]), n)}
        for question, asked in timed.asked.items()
    ]
    own = whole[0] - sum(timed.wall.values()), whole[1] - sum(timed.cpu.values())
    rows.append({"": "the reader itself", "asked": None, **_each(own, n)})
    rows.append({"": "together", "asked": None, **_each(whole, n)})
    return rows


def _each(seconds: tuple[float, ...], n: int) -> dict[str, Cell]:
    wall, cpu = seconds
    return {"ms": 1e3 * wall / n, "CPU ms": 1e3 * cpu / n}


if __name__ == "__main__":
    typer.run(main)
