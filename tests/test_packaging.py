"""The wheel holds the whole tree, and its base imports with the base dependencies alone."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "client": "saelake",
    "store": "saelake/store",
    "workers": "saelake/workers",
    "proto": "saelake/proto",
}
BARRED = {"lance", "torch", "transformers", "grpc_health", "grpc_reflection", "datasets", "pandas"}
IMPORT_ALL = """
import importlib, sys

class Bar:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {barred!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)

sys.meta_path.insert(0, Bar())
sys.path.insert(0, {folder!r})
import saelake
assert saelake.__file__.startswith({folder!r}), saelake.__file__
for module in ("results", "remote", "connection", "collection", "lake", "markup", "exports",
               "cli.app", "store.service.wire", "store.service.errors", "proto.v1.lake_pb2"):
    importlib.import_module(f"saelake.{{module}}")
lake = saelake.connect("grpc://localhost:1")
try:
    saelake.connect("lake")
except ImportError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    tree = folder / "tree"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    run = subprocess.run([*build, str(tree)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_tree(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    wanted = {".py", ".pyi", ".typed", ".proto", ".json", ".safetensors"}
    expected = {
        f"{inside}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, inside in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.suffix in wanted or path.name == "py.typed"
    }
    assert len(expected) > 100
    left_out = {"saelake/proto/generate.py"}
    assert expected - packed <= left_out
    assert not [name for name in packed if name.startswith(("tests/", "benchmarks/"))]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(folder), str(wheel)], check=True)
    return folder


def test_the_base_install_is_a_client(installed: Path, tmp_path: Path) -> None:
    script = IMPORT_ALL.format(barred=BARRED, folder=str(installed))
    run = subprocess.run(
        [sys.executable, "-I", "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "pip install 'saelake[store]'" in run.stdout


def test_the_command_works_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    run = subprocess.run(
        [sys.executable, "-m", "saelake", "--help"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "saelake demo" in run.stdout


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
    ]
    script = f"import sys, saelake; print([m for m in {heavy!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
