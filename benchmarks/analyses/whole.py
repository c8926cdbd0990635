"""Every analysis of a whole collection: time, processor time and memory, by the size of the lake.

`python -m benchmarks whole`: a synthetic lake is made for each size, or is there already
(`--lake`). Each row is a process of its own.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.analyses.bandwidth import Bandwidth
from benchmarks.analyses.whole_runs import STEPS
from benchmarks.common.places import PROFILES
from benchmarks.common.profile import Profile
from benchmarks.common.report import Cell, Table, publish
from benchmarks.common.synthetic import NAME, Synthesis, synthesise
from saelake.store.lake.lake import Lake
from saelake.store.snapshot.collection import Collection

MIB = 1 << 20
NOTE = (
    "A process for each analysis, which has imported saelake; peak MiB is its largest resident "
    "memory, above is without what it has before it is asked. Kept between questions is at most "
    "1 GiB. MB to move: one pass over all codes, as they are stored; the floor is what reading so "
    "many bytes from memory takes one thread."
)


def main(
    documents: Annotated[list[int] | None, typer.Option(help="sizes of lakes to make")] = None,
    lake: Annotated[list[Path] | None, typer.Option(help="lakes of this synthesis")] = None,
    analysis: Annotated[list[str] | None, typer.Option(help="only these")] = None,
    mean_length: Annotated[float, typer.Option(help="tokens a document")] = 50,
    seed: int = 0,
) -> None:
    """Measure the analyses of each lake, and print a table for each."""
    asked = analysis or list(STEPS)
    tables = [measure(place, asked) for place in lake or ()]
    for size in documents or ([] if lake else [6_000]):
        with _made(size, mean_length, seed) as place:
            tables.append(measure(place, asked))
    publish("whole", tables, facts={})


@contextmanager
def _made(n_documents: int, mean_length: float, seed: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="saelake-") as folder:
        profile = Profile.load(PROFILES / "imdb-minilm.npz")
        synthesise(
            Lake(folder), Synthesis(profile, n_documents, seed=seed, mean_length=mean_length)
        )
        yield Path(folder)


def measure(place: Path, asked: list[str]) -> Table:
    """The table of a lake."""
    bandwidth = Bandwidth.measured()
    collection = Collection(Lake(str(place)), NAME)
    n_bytes = collection.codes.table.size_bytes
    before = _fresh("imports", place)["peak_bytes"]
    rows = [_row(name, _fresh(name, place), before, n_bytes, bandwidth) for name in asked]
    n_documents = collection.codes.locations.n_documents
    title = f"{n_documents:,} documents, {n_bytes / 1e6:,.0f} MB of codes"
    return Table(title=title, rows=rows, note=NOTE)


def _row(
    name: str, found: Mapping[str, float], before: float, n_bytes: int, bandwidth: Bandwidth
) -> dict[str, Cell]:
    return {
        "analysis": name,
        "s": found["seconds"],
        "processor s": found["cpu_seconds"],
        "peak MiB": found["peak_bytes"] / MIB,
        "above MiB": (found["peak_bytes"] - before) / MIB,
        **bandwidth.cells(None if name == "info" else n_bytes, found["seconds"]),
    }


def _fresh(step: str, place: Path) -> dict[str, float]:
    """What a step in a new process prints last."""
    command = [sys.executable, "-m", "benchmarks.analyses.whole_runs", step, str(place), str(NAME)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result
