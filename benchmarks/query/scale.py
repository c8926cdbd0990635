"""Top 20 of a feature, by the size of the lake: `python -m benchmarks scale --codes 1e7`.

Lakes are synthetic, made through the store's own import, shards and index; or they are there. A
size is made, measured and removed before the next; each contender answers in its own process.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common.needs import require, require_in
from benchmarks.common.progress import say
from benchmarks.common.report import Cell, Table, publish, shown
from benchmarks.query.answering import SAELAKE
from benchmarks.query.scale_rows import LEFT_OUT, MILLIONS, Asking, Row, failed_row, rows_of
from benchmarks.query.sizes import Made, Size

SIZES = (1e7, 1e8, 1e9)
LENGTHS = (50.0, 290.0)
NEAR = 0.1  # a given lake stands among lakes of documents as long as its own, but for this share
GOAL = 1.5
MIB = 1 << 20
Publish = Callable[..., None]  # of tables, and `facts`
NOTE = (
    "Each feature once; all answers are equal. Each contender answers in a process of its own, of "
    "which the peak is. Cold: its first questions, one after another, without the very first; then "
    "the contenders take turns of ten. Reads: system calls that read files, a question, also where "
    "the system has the file in memory. B a code: of all that answers, with the texts."
)


def main(
    codes: Annotated[
        list[float] | None,
        typer.Option(help="about so many a lake to make (default: 1e7, 1e8, 1e9)"),
    ] = None,
    mean_length: Annotated[
        list[float] | None, typer.Option(help="tokens a document, a table each (default: 50, 290)")
    ] = None,
    lake: Annotated[
        list[Path] | None,
        typer.Option(help="lakes of this synthesis, only read; alone or beside those of --codes"),
    ] = None,
    questions: Annotated[
        int, typer.Option(min=10, help="of each lake, after the cold ones")
    ] = 1000,
    cold: Annotated[int, typer.Option(min=2, help="first questions of a process")] = 300,
    duckdb_up_to: Annotated[
        float, typer.Option(help="codes; larger lakes are not copied for DuckDB. 0: none is")
    ] = 1e8,
    peers_python: Annotated[
        Path | None, typer.Option(help="a Python with eai-delphi; without it, delphi is left out")
    ] = None,
    delphi_up_to: Annotated[float, typer.Option(help="codes; likewise for delphi")] = 1e7,
    scans: Annotated[int, typer.Option(min=2, help="questions to delphi")] = 10,
    threads: Annotated[int, typer.Option(help="threads of DuckDB and delphi")] = min(
        os.cpu_count() or 1, 8
    ),
    folder: Annotated[
        Path | None,
        typer.Option(help="keep lakes and copies here for the next run (default: none is kept)"),
    ] = None,
    seed: int = 0,
) -> None:
    """Ask saelake, DuckDB and delphi for the strongest documents of features, by the lake's size.

    Each kind of documents has a table, published when its sizes are done,
    or with what there is of it when the run is interrupted.
    A size that fails has a row that says so.

    What is not kept is made where TMPDIR says. A lake of 1e9 codes takes
    half an hour and up to 12 GB of disk to make: begin with --codes 1e7.
    """
    if duckdb_up_to:
        require("duckdb")
    if peers_python:
        require_in(peers_python, "delphi")
    asking = Asking(
        cold=cold,
        warm=questions,
        scans=scans,
        threads=threads,
        seed=seed,
        duckdb_up_to=duckdb_up_to,
        delphi_up_to=delphi_up_to,
        peers_python=peers_python,
    )
    with ExitStack() as stack:
        root = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="saelake-")))
        lengths = mean_length or LENGTHS
        to_make = codes or ([] if lake else SIZES)
        sizes = [
            Size(root=root, n_codes=round(n), mean_length=length, seed=seed)
            for length in lengths
            for n in to_make
        ]
        sizes += [_given(root, place, lengths, seed) for place in lake or ()]
        whole = [
            run(each, asking, keep=folder is not None, told=partial(publish, "scale"))
            for each in by_length(sizes)
        ]
    if not all(whole):
        raise typer.Exit(1)


def _given(root: Path, place: Path, lengths: Sequence[float], seed: int) -> Size:
    """A lake that is there: one of its kind of documents, or of a kind of its own."""
    made = Made.of(place)
    length = made.n_tokens / made.n_documents
    near = [each for each in lengths if abs(length / each - 1) < NEAR]
    return Size(
        root=root,
        n_codes=made.n_codes,
        mean_length=near[0] if near else round(length),
        seed=seed,
        given=place.absolute(),
    )


def by_length(sizes: Iterable[Size]) -> list[list[Size]]:
    """The sizes of each kind of documents, the smallest first."""
    found: dict[float, list[Size]] = {}
    for size in sorted(sizes, key=lambda size: size.n_codes):
        found.setdefault(size.mean_length, []).append(size)
    return list(found.values())


def run(sizes: Sequence[Size], asking: Asking, *, keep: bool, told: Publish) -> bool:
    """Measure the sizes of a kind of documents, one after another; whether all could be.

    `told` gets the tables at the end, also if that comes early.
    """
    rows: list[Row] = []
    making: list[Row] = []
    whole = True
    try:
        for size in sizes:
            try:
                for row in rows_of(size, asking):
                    rows.append(row)
                    say(line(row))
            except Exception as error:  # the other sizes are measured all the same
                whole = False
                rows.append(failed_row(size, error))
                say(line(rows[-1]))
            finally:
                making += making_rows(size)
                if not keep:
                    size.remove()
    finally:
        if rows:
            told(list(tables(sizes[0].mean_length, rows, making, asking)), facts=facts(asking))
    return whole


def line(row: Row) -> str:
    """A row in a line."""
    cells = [
        f"{column} {shown(cell)}" for column, cell in row.items() if column and cell is not None
    ]
    return f"{row['']}: {', '.join(cells)}"


def making_rows(size: Size) -> Iterator[Row]:
    """What making the lake and its copies took, in this run or in the one that kept them."""
    for step, took in size.took().items():
        yield {
            MILLIONS: size.n_codes / 1e6,
            "made": step,
            "s": took["seconds"],
            "processor s": took["cpu_seconds"],
            "peak MiB": took["peak_bytes"] / MIB,
        }


def tables(
    length: float, rows: Sequence[Row], making: Sequence[Row], asking: Asking
) -> Iterator[Table]:
    """The table of a kind of documents, and what making its lakes took."""
    said = [NOTE, growth(rows)]
    if any(str(row[""]).endswith(LEFT_OUT) for row in rows):
        said.insert(1, f"DuckDB is left out beyond {asking.duckdb_up_to:,.0f} codes.")
    title = f"Top 20 of a feature, documents of {length:g} tokens"
    yield Table(title=title, rows=rows, note=" ".join(said))
    if making:
        yield Table(title="Making them, in processes of their own", rows=making)


def growth(rows: Sequence[Row]) -> str:
    """How the median of saelake grows from the smallest lake to the largest."""
    p50 = {row[MILLIONS]: row["p50 ms"] for row in rows if row[""] == SAELAKE}
    if len(p50) < 2:
        return ""
    (small, first), *_, (large, last) = ((float(n or 0), float(ms or 0)) for n, ms in p50.items())
    return (
        f"p50 of {SAELAKE} at {shown(large)} million codes over that at {shown(small)}: "
        f"{last / first:.2f} (the goal is at most {GOAL:g})."
    )


def facts(asking: Asking) -> Mapping[str, Cell]:
    """What all sizes have in common."""
    return {
        "questions": f"{asking.cold} cold, {asking.warm} warm",
        "threads of DuckDB and delphi": asking.threads,
        "seed": asking.seed,
    }
