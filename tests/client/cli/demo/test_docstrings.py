import ast
import inspect
import json.decoder
import sysconfig
import textwrap
from collections import Counter
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from saelake.cli.demo import docstrings as corpus
from saelake.cli.demo.docstrings import SCHEMA, PythonFile, docstrings, write

MODULE = '''
"""About the module."""

def public(a, *, b):
    """What public does."""
    def inner():
        """Nobody can call it."""

class Shape:
    """A shape."""

    def area(self):
        """Its area."""

    def _hidden(self):
        """Not for the public."""

    class Corner:
        """A corner of it."""

try:
    async def late(x, /):
        """In a try block."""
except ImportError:
    late = None

def undocumented(): ...

def repeated():
    """A shape."""
'''


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A standard library of one module, and installed packages of one module each."""
    stdlib, installed = tmp_path / "lib", tmp_path / "site"
    for folder in (stdlib / "shapes", stdlib / "test", installed / "one", installed / "two"):
        folder.mkdir(parents=True)
    (stdlib / "shapes" / "flat.py").write_text(MODULE)
    (stdlib / "_private.py").write_text('"""Private."""')
    (stdlib / "broken.py").write_text("def (:")
    (stdlib / "test" / "test_it.py").write_text('"""A test."""')
    for package in ("one", "two"):
        for module in ("a", "b"):
            path = installed / package / f"{module}.py"
            path.write_text(f'"""{package}, {module}: {"x" * 100}"""')
    paths = {"stdlib": str(stdlib), "purelib": str(installed)}
    monkeypatch.setattr(sysconfig, "get_paths", lambda: paths)
    return stdlib


def test_what_is_public_and_documented_is_read(library: Path) -> None:
    found = {d.id: d for d in docstrings() if d.origin == "standard library"}
    assert {(d.id, d.kind, d.arguments, d.text) for d in found.values()} == {
        ("shapes.flat", "module", None, "About the module."),
        ("shapes.flat.public", "function", 2, "What public does."),
        ("shapes.flat.Shape", "class", None, "A shape."),
        ("shapes.flat.Shape.area", "method", 1, "Its area."),
        ("shapes.flat.Shape.Corner", "class", None, "A corner of it."),
        ("shapes.flat.late", "function", 1, "In a try block."),
    }
    assert {(d.package, d.module) for d in found.values()} == {("shapes", "shapes.flat")}
    source = (library / "shapes" / "flat.py").read_text().splitlines()
    assert source[found["shapes.flat.Shape"].line - 1] == "class Shape:"


def test_installed_packages_take_turns(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "INSTALLED_CHARACTERS", 250)
    packages = [d.package for d in docstrings() if d.origin == "installed"]
    assert sorted(packages) == ["one", "two"]
    monkeypatch.setattr(corpus, "INSTALLED_CHARACTERS", 100_000)
    assert Counter(d.package for d in docstrings())["one"] == 2


def test_the_real_corpus_says_what_python_itself_says(tmp_path: Path) -> None:
    n_rows = write(tmp_path / "docstrings.parquet")
    table = pq.read_table(tmp_path / "docstrings.parquet")
    assert table.schema.equals(SCHEMA)
    assert table.num_rows == n_rows > 3000
    assert len(set(table["id"].to_pylist())) == len(set(table["text"].to_pylist())) == n_rows
    assert pc.sum(pc.utf8_length(table["text"])).as_py() < 3_000_000
    rows = {row["id"]: row for row in table.to_pylist()}
    decode = rows["json.decoder.JSONDecoder.raw_decode"]
    assert decode["text"] == inspect.getdoc(json.decoder.JSONDecoder.raw_decode)
    assert (decode["kind"], decode["package"]) == ("method", "json")
    assert decode["arguments"] == len(
        inspect.signature(json.decoder.JSONDecoder.raw_decode).parameters
    )
    assert decode["line"] == inspect.getsourcelines(json.decoder.JSONDecoder.raw_decode)[1]


def test_the_corpus_is_the_same_each_time(library: Path) -> None:
    assert list(docstrings()) == list(docstrings())


def test_definitions_below_conditions_are_found() -> None:
    tree = ast.parse(textwrap.dedent(MODULE))
    names = [".".join(name) for name, _, _ in corpus._documented(tree)]
    assert "late" in names
    assert "public.inner" not in names
    assert PythonFile("a.b", Path()).package == "a"
