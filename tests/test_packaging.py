"""The wheel holds the whole tree, and its base imports with the base dependencies alone."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "client": "saelake",
    "store": "saelake/store",
    "workers": "saelake/workers",
    "proto": "saelake/proto",
}
# What the extras bring. A module of this name runs when Python starts, and hides them.
SITECUSTOMIZE = """
import sys

class Bar:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {
            "lance", "torch", "transformers", "tokenizers", "safetensors", "huggingface_hub",
            "grpc_health", "grpc_reflection", "datasets", "pandas", "scipy", "sklearn",
            "prometheus_client", "opentelemetry", "altair", "openai", "httpx2", "jsonschema",
        }:
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)

sys.meta_path.insert(0, Bar())
"""
IMPORT_ALL = """
import importlib, pkgutil, saelake
print(saelake.__file__)
for module in pkgutil.walk_packages(saelake.__path__, "saelake."):
    elsewhere = ("saelake.store", "saelake.workers", "saelake.web.", "saelake.cli.demo.run",
                 "saelake.answers.plots.", "saelake.language.speaking")
    if not module.name.startswith(elsewhere):
        importlib.import_module(module.name)
lake = saelake.connect("grpc://localhost:1")
try:
    saelake.connect("lake")
except ImportError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, FOLDERS, tmp_path_factory.mktemp("build"))


def built(root: Path, folders: Iterable[str], folder: Path) -> Path:
    """The wheel of a distribution, of a copy of what it is made of."""
    tree = folder / "tree"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in folders:
        shutil.copytree(root / name, tree / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tree / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    run = subprocess.run([*build, str(tree)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_is_small(wheel: Path) -> None:
    """It is the program alone: decision 039 says what it is made of."""
    assert wheel.stat().st_size < 2e6


def test_the_demo_s_dictionary_is_a_wheel_of_the_same_version(tmp_path: Path) -> None:
    wheel = built(ROOT / "demo", ["saelake_demo"], tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        packed = {Path(name).name for name in archive.namelist()}
    assert {"__init__.py", "cfg.json", "sae_weights.safetensors", "LICENSE"} <= packed
    program, demo = (project(place) for place in (ROOT, ROOT / "demo"))
    assert demo["version"] == program["version"]
    extras = program["optional-dependencies"]["demo"]
    assert f"{demo['name']}=={demo['version']}" in extras


def project(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((place / "pyproject.toml").read_text())["project"]
    return found


def test_the_wheel_holds_every_file_of_the_tree(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    expected = {
        f"{inside}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, inside in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(expected) > 100
    left_out = {"saelake/proto/generate.py", "saelake/proto/v1/released.binpb"}
    assert expected - packed <= left_out
    assert not [name for name in packed if name.startswith(("tests/", "benchmarks/"))]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(folder), str(wheel)], check=True)
    return folder


def run_base(command: list[str], installed: Path, folder: Path) -> str:
    """What a command prints where only the base install is."""
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    path = os.pathsep.join(map(str, (folder, installed)))
    environment = {**os.environ, "PYTHONPATH": path}
    run = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=folder, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_base_install_is_a_client(installed: Path, tmp_path: Path) -> None:
    printed = run_base([sys.executable, "-c", IMPORT_ALL], installed, tmp_path)
    assert printed.startswith(str(installed))
    assert "pip install 'saelake[store]'" in printed


@pytest.mark.parametrize("command", [["-m", "saelake"], ["bin/saelake"]])
def test_the_command_works_from_the_wheel(
    installed: Path, tmp_path: Path, command: list[str]
) -> None:
    command = [str(installed / word) if "/" in word else word for word in command]
    printed = run_base([sys.executable, *command, "--help"], installed, tmp_path)
    assert "saelake demo" in printed


def test_importing_saelake_imports_nothing_else() -> None:
    heavy = [
        "lance",
        "torch",
        "transformers",
        "grpc",
        "pyarrow",
        "numpy",
        "typer",
        "rich",
        "pandas",
        "altair",
    ]
    script = f"import sys, saelake; print([m for m in {heavy!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
