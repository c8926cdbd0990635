"""Questions about documents as wholes: nearest documents, differences, pairs, clusters.

Of passages cut from real collections, by the hundred thousand, and of any real collection. See
README.md for what each row means.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.analyses.bandwidth import Bandwidth
from benchmarks.analyses.nearest import milvus_tables, nearest_tables
from benchmarks.analyses.overall import clusters_table, diff_table, npmi_table
from benchmarks.analyses.passages import Origin, make_passages
from benchmarks.analyses.subject import Subject
from benchmarks.analyses.trial import Conditions, Trial
from benchmarks.common.needs import require_in
from benchmarks.common.report import Cell, Table, publish
from saelake.store.lake.lake import Lake

Part = Callable[[Trial], Sequence[Table]]
PARTS: Mapping[str, Part] = {
    "similar": nearest_tables,
    "milvus": milvus_tables,
    "diff": lambda trial: [diff_table(trial)],
    "npmi": lambda trial: [npmi_table(trial)],
    "clusters": lambda trial: [clusters_table(trial)],
}
PEERS: Mapping[str, Sequence[str]] = {
    "similar": ("seismic",),
    "milvus": ("pymilvus", "milvus_lite"),
    "diff": ("interp_embed",),
}
OWN_PACKAGES = ("scipy", "numba", "scikit-learn")
PEERS_PACKAGES = ("pyseismic-lsr", "pymilvus", "milvus-lite", "interp-embed", "scipy", "numpy")
WHERE = "LAKE:CORPUS/DICTIONARY"


def absolute_path(path: Path | None) -> Path | None:
    """The path, for processes that run elsewhere; links stay, as a Python's name is one."""
    return path and path.absolute()


def passages_subject(
    folder: Path, sources: Sequence[Origin], n_documents: int | None, seed: int
) -> Subject:
    """The passages in that folder, which are made when they are not there."""
    whole, begun = folder / "lake", folder / "begun"
    if not whole.exists():
        print(f"cutting passages into {whole}", file=sys.stderr, flush=True)
        shutil.rmtree(begun, ignore_errors=True)
        make_passages(Lake(str(begun)), sources, n_documents=n_documents, seed=seed)
        begun.rename(whole)
    lake = Lake(str(whole))
    (name,) = lake.collections()
    return Subject.of_passages(Origin(lake, name))


def tables(trial: Trial, parts: Sequence[str]) -> Iterator[Table]:
    """The tables of a subject, one after the other as they are made."""
    for name in parts:
        if name == "milvus" and not trial.conditions.peers_python:
            continue
        print(f"{trial.title}: {name}", file=sys.stderr, flush=True)
        yield from PARTS[name](trial)


def main(
    source: Annotated[
        list[Origin] | None,
        typer.Option(parser=Origin.parse, metavar=WHERE, help="cut passages from this; repeat it"),
    ] = None,
    real: Annotated[
        Origin | None,
        typer.Option(parser=Origin.parse, metavar=WHERE, help="ask of this as it is, too"),
    ] = None,
    documents: Annotated[int | None, typer.Option(help="passages at most [default: all]")] = None,
    questions: Annotated[int, typer.Option(min=10, help="about nearest documents")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="of each other question")] = 3,
    cores: Annotated[int, typer.Option(min=1, help="that everyone may use for answers")] = 1,
    part: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(PARTS)}; repeat it [default: all]")
    ] = None,
    milvus_documents: Annotated[int, typer.Option(min=100, help="that milvus-lite gets")] = 2000,
    seed: int = 0,
    peers_python: Annotated[
        Path | None,
        typer.Option(
            help="a Python with Seismic, milvus-lite and interp_embed, for their rows",
            callback=absolute_path,
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="keep the passages and indexes here, and use them again", callback=absolute_path
        ),
    ] = None,
) -> None:
    """Ask saelake and its peers questions about whole documents."""
    parts = part or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        raise typer.BadParameter(f"no part is called {', '.join(unknown)}", param_hint="--part")
    if not source and not real:
        raise typer.BadParameter("give --source or --real: there is nothing to ask about")
    if peers_python:
        require_in(peers_python, *(module for name in parts for module in PEERS.get(name, ())))
    conditions = Conditions(
        n_questions=questions,
        rounds=rounds,
        n_cores=cores,
        seed=seed,
        bandwidth=Bandwidth.measured(),
        peers_python=peers_python,
        milvus_documents=milvus_documents,
    )
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="saelake-")))
        subjects: dict[Path, Subject] = {}
        if source:
            place = folder / f"passages-{documents or 'all'}-{seed}"
            subjects[place] = passages_subject(place, source, documents, seed)
        if real:
            place = folder / f"real-{real.name.corpus}--{real.name.dictionary}"
            subjects[place] = Subject.of_real(real)
        for place, subject in subjects.items():
            measure(Trial.of(subject, place, conditions), parts)


def measure(trial: Trial, parts: Sequence[str]) -> None:
    """Publish the parts of a trial, also if one of them fails."""
    made: list[Table] = []
    try:
        made.extend(tables(trial, parts))
    finally:
        if made:
            publish("analyses", made, facts=facts(trial))


def facts(trial: Trial) -> dict[str, Cell]:
    """What the run was made with."""
    rows, conditions = trial.rows, trial.conditions
    return {
        "documents": len(rows),
        "features a document": round(len(rows.features) / len(rows), 1),
        "cores used": conditions.n_cores,
        "memory bandwidth, one thread": f"{conditions.bandwidth.bytes_per_s / 1e9:.1f} GB/s",
        "libraries": versions(trial, sys.executable, OWN_PACKAGES),
        "peers": versions(trial, conditions.peers_python, PEERS_PACKAGES),
    }


def versions(trial: Trial, python: str | Path | None, packages: Sequence[str]) -> str | None:
    """The packages of a Python with their versions; None without one."""
    if python is None:
        return None
    found = trial.fresh((str(python), "-m", "benchmarks.peers.versions", *packages))
    return ", ".join(f"{name} {version}" for name, version in found.items())
