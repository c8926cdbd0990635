"""`import saelake` costs nothing, and asking a server needs no engine."""

import subprocess
import sys

import pytest

HEAVY = {"lance", "torch", "transformers", "typer", "rich", "grpc", "pyarrow", "numpy"}
ENGINE = {"lance", "torch", "transformers", "typer", "rich"}


def imported_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after running `code`."""
    show = "\nimport sys\nprint(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", code + show], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_the_package_alone_imports_nothing_heavy() -> None:
    assert not imported_by("import saelake; saelake.__version__; dir(saelake)") & HEAVY


def test_its_errors_import_nothing_heavy() -> None:
    assert not imported_by("import saelake; saelake.NotFound('x')") & HEAVY


def test_a_remote_lake_imports_no_engine() -> None:
    loaded = imported_by("import saelake; saelake.connect('grpc://localhost:1')['a/b']")
    assert {"grpc", "pyarrow"} <= loaded
    assert not loaded & ENGINE


def test_an_awaited_lake_imports_no_engine() -> None:
    connect = "from saelake import aio; aio.connect('grpc://localhost:1,localhost:2')['a/b']"
    loaded = imported_by(connect)
    assert {"asyncio", "pyarrow"} <= loaded
    assert not loaded & ENGINE


def test_explaining_imports_no_engine_and_no_library_of_models() -> None:
    loaded = imported_by("import saelake.explaining, saelake.explaining.run.faces")
    assert not loaded & (ENGINE | {"openai", "httpx2", "faiss", "numba"})


@pytest.mark.parametrize("name", ["connect", "Lake", "Collection", "Hit", "Document", "NotFound"])
def test_public_names_are_found_when_first_used(name: str) -> None:
    loaded = imported_by(f"import saelake; assert saelake.{name}.__module__.startswith('saelake')")
    assert "torch" not in loaded
