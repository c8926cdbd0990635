"""`python -m benchmarks NAME [OPTIONS]`; without a name, `all`."""

import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module

import typer

COMMANDS = {
    "query": "top 20 of a feature: saelake, DuckDB on Parquet, delphi's cache",
    "analyses": "nearest documents, diff, NPMI, clusters: saelake, SciPy, Seismic, milvus-lite",
    "encode": "from text to codes on the CPU: saelake, the bare loop, delphi, interp_embed",
    "encode_gpu": "the same on a GPU",
    "host": "what a worker's host does for each token: tokenise, pack, write",
    "sizing": "tokens/s, bytes, memory and cost of an encode, by formula",
    "activations": "kept activations: candidate layouts, and the loader against the model",
    "cluster": "encode on Ray against processes, and a driver of 1,000 workers, simulated",
    "columns": "bytes and read times of candidate encodings of the codes",
    "topk": "finding the k largest of d_sae on the CPU, against torch.topk",
    "s3": "requests and bytes that a question costs in an object store",
    "limits": "memory of each step, for dictionaries of 4 thousand to a million features",
    "clusterings": "ways to cluster documents, against labels that are known",
    "growth": "appending, deleting and compacting, and what questions cost meanwhile",
    "profile": "measure a collection's statistics, for synthetic lakes like it",
    "all": "query and encode, one after the other, as they are by default",
}
MODULES = {
    "query": "query.query",
    "analyses": "analyses.analyses",
    "encode": "encode.encode",
    "encode_gpu": "encode.encode_gpu",
    "host": "encode.host",
    "sizing": "encode.sizing",
    "activations": "encode.activations",
    "cluster": "cluster.cluster",
    "columns": "decisions.d002_values",
    "topk": "decisions.d005_topk_on_cpu",
    "s3": "query.s3",
    "limits": "growth.limits",
    "clusterings": "decisions.d008_clusters",
    "growth": "growth.growth",
    "profile": "common.profile",
}
ALL = ("query", "encode")


def main(arguments: Sequence[str]) -> int:
    """Run the named benchmark in this process, or `all` of them in one process each."""
    name, options = (arguments[0], arguments[1:]) if arguments else ("all", ())
    if name not in COMMANDS:
        width = max(map(len, COMMANDS))
        lines = (f"  {command:{width}}  {what}" for command, what in COMMANDS.items())
        print(f"usage: {__doc__}", *lines, sep="\n")
        return 0 if name in ("-h", "--help") else 2
    if name == "all":
        command = [sys.executable, "-m", "benchmarks"]
        return max(subprocess.run([*command, each], check=False).returncode for each in ALL)
    sys.argv = [f"python -m benchmarks {name}", *options]
    typer.run(import_module(f"benchmarks.{MODULES[name]}").main)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
