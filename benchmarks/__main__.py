"""`python -m benchmarks NAME [OPTIONS]`; without a name, `all`."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

import typer


@dataclass(frozen=True, slots=True)
class Command:
    """A benchmark: the module whose `main` it is, in a folder of this one, and what it says."""

    module: str
    what: str

    @property
    def folder(self) -> str:
        """The question that it belongs to."""
        return self.module.partition(".")[0]


COMMANDS: Mapping[str, Command] = {
    "query": Command(
        "query.query", "top 20 of a feature: saelake, DuckDB on Parquet, delphi's cache"
    ),
    "expressions": Command(
        "query.expressions",
        "top 20 of expressions of features: pairs, wide alternatives, mixes, with filters",
    ),
    "scale": Command(
        "query.scale", "top 20 of a feature, by the size of the lake: saelake, DuckDB, delphi"
    ),
    "load": Command(
        "query.load",
        "a server under load: short questions alone, beside heavy callers, after these left",
    ),
    "page": Command(
        "query.page", "pages in a browser: when something is painted first, and their bytes"
    ),
    "install": Command(
        "query.install", "what an install takes, and the client alone asking a server"
    ),
    "objectstore": Command(
        "query.objectstore",
        "requests, bytes and time of questions and commits in an object store, with a disk cache",
    ),
    "evidence": Command(
        "query.evidence", "evidence for features, which explainers are shown: time of each question"
    ),
    "explain": Command(
        "query.explain", "explaining features: whether a language model's server is kept busy"
    ),
    "bytes": Command("query.bytes", "where the bytes of a lake go, by table and column"),
    "analyses": Command(
        "analyses.analyses",
        "nearest documents, diff, NPMI, clusters: saelake, SciPy, Seismic, milvus-lite",
    ),
    "similarity": Command(
        "analyses.similarity", "nearest documents of collections that are larger than memory"
    ),
    "whole": Command(
        "analyses.whole", "every analysis of a whole collection: time and memory, by its size"
    ),
    "calibration": Command(
        "analyses.calibration", "how often diff calls sides different that differ by chance alone"
    ),
    "quality": Command(
        "quality.quality",
        "retrieval, clusters and classifiers by words, dense embeddings and SAE, on labels",
    ),
    "encode": Command(
        "encode.encode",
        "from text to codes on the CPU: saelake, the bare loop, delphi, interp_embed",
    ),
    "encode_gpu": Command("encode.encode_gpu", "the same on a GPU"),
    "host": Command(
        "encode.host", "what a worker's host does for each token: tokenise, pack, write"
    ),
    "sizing": Command("encode.sizing", "tokens/s, bytes, memory and cost of an encode, by formula"),
    "activations": Command(
        "encode.activations",
        "kept activations: candidate layouts, and the loader against the model",
    ),
    "cluster": Command(
        "cluster.cluster",
        "encode on Ray against processes, and a driver of 1,000 workers, simulated",
    ),
    "distributed": Command(
        "cluster.distributed", "questions with actors on Ray, against one process"
    ),
    "growth": Command(
        "growth.growth", "appending, deleting and compacting, and what questions cost meanwhile"
    ),
    "outside": Command(
        "growth.outside",
        "codes that another system made: import, export and memory, and a search beside SciPy's",
    ),
    "limits": Command(
        "growth.limits",
        "memory of each step, for dictionaries of 4 thousand to a million features",
    ),
    "columns": Command(
        "decisions.d002_values", "bytes and read times of candidate encodings of the codes"
    ),
    "topk": Command(
        "decisions.d005_topk_on_cpu",
        "finding the k largest of d_sae on the CPU, against torch.topk",
    ),
    "clusterings": Command(
        "decisions.d008_clusters", "ways to cluster documents, against labels that are known"
    ),
    "control": Command(
        "decisions.d019_control",
        "p-values of associate and correlate where nothing is there but length or clusters",
    ),
    "rows": Command(
        "decisions.d024_rows",
        "a few rows of a table, of its file, from memory; filters likewise",
    ),
    "profile": Command(
        "common.profile", "measure a collection's statistics, for synthetic lakes like it"
    ),
}
ALL = ("query", "encode")


def main(arguments: Sequence[str]) -> int:
    """Run the named benchmark in this process, or `all` of them in one process each."""
    name, options = (arguments[0], arguments[1:]) if arguments else ("all", ())
    if name not in (*COMMANDS, "all"):
        print(*listing(), sep="\n")
        return 0 if name in ("-h", "--help") else 2
    command = f"python -m benchmarks {name}"
    sys.argv = [command, *options]  # what the report says was run
    app = typer.Typer(add_completion=False)
    app.command()(function(name))
    app(options, prog_name=command)
    return 0


def function(name: str) -> Callable[..., None]:
    """What a name runs; its arguments are the command's."""
    if name == "all":
        return run_all
    found: Callable[..., None] = import_module(f"benchmarks.{COMMANDS[name].module}").main
    return found


def listing() -> Iterator[str]:
    """The names, under the folder that each belongs to."""
    width = max(map(len, COMMANDS))
    yield f"usage: {__doc__}"
    for folder in dict.fromkeys(command.folder for command in COMMANDS.values()):
        yield f"\n{folder}/  {import_module(f'benchmarks.{folder}').__doc__}"
        for name, command in COMMANDS.items():
            if command.folder == folder:
                yield f"  {name:{width}}  {command.what}"
    yield f"\n  {'all':{width}}  query and encode, one after the other, as they are by default"


def run_all() -> None:
    """Run query and encode, one after the other, as they are by default."""
    command = [sys.executable, "-m", "benchmarks"]
    codes = [subprocess.run([*command, name], check=False).returncode for name in ALL]
    raise typer.Exit(max(codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
