"""The demo's corpus: docstrings of the standard library and of the installed packages."""

import ast
import sysconfig
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from saelake.exports import whole

INSTALLED_CHARACTERS = 300_000
MOST_OF_A_MODULE = 20  # of an installed one: some have thousands that say the same
ROWS_PER_GROUP = 4096
NOT_READ = {"__pycache__", "test", "tests", "testing", "idlelib", "lib2to3", "turtledemo"}
PACKAGES = {"site-packages", "dist-packages"}

Kind = Literal["module", "class", "function", "method"]
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("package", pa.string()),
        ("module", pa.string()),
        ("kind", pa.string()),
        ("origin", pa.string()),
        ("arguments", pa.int32()),
        ("line", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Docstring:
    """One docstring; `id` is the dotted name of what it describes, `line` where that begins.

    `arguments` is how many a function or method takes, and None for modules and classes.
    """

    id: str
    text: str
    package: str
    module: str
    kind: Kind
    origin: str
    arguments: int | None
    line: int


@dataclass(frozen=True, slots=True, order=True)
class PythonFile:
    """A Python file, and the dotted name under which it is imported."""

    module: str
    path: Path

    @property
    def package(self) -> str:
        """The name before the first dot."""
        return self.module.partition(".")[0]


def docstrings() -> Iterator[Docstring]:
    """Public docstrings of the whole standard library, then of a sample of installed packages.

    The sample has `INSTALLED_CHARACTERS` characters: the first docstrings of one module of each
    package in turn, the same ones in each run. A text that occurs again is left out.
    """
    seen: set[str] = set()
    folders = sysconfig.get_paths()
    yield from _fresh(_read(_sources(Path(folders["stdlib"])), "standard library"), seen)
    remaining = INSTALLED_CHARACTERS
    installed = _in_turn(_sources(Path(folders["purelib"])))
    for docstring in _fresh(_read(installed, "installed", MOST_OF_A_MODULE), seen):
        remaining -= len(docstring.text)
        if remaining < 0:
            return
        yield docstring


def write(path: Path) -> int:
    """Write the docstrings to a Parquet file, whole or not at all; how many there are."""
    rows = [{name: getattr(d, name) for name in SCHEMA.names} for d in docstrings()]
    with whole(path) as partial:
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        pq.write_table(table, partial, row_group_size=ROWS_PER_GROUP)
    return len(rows)


def _fresh(found: Iterable[Docstring], seen: set[str]) -> Iterator[Docstring]:
    """Without texts and names that occurred before."""
    for docstring in found:
        if docstring.text not in seen and docstring.id not in seen:
            seen |= {docstring.text, docstring.id}
            yield docstring


def _sources(folder: Path) -> list[PythonFile]:
    """The public modules below a folder, by name."""
    found = []
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        names = parts[:-1] if parts[-1] == "__init__" else parts
        if names and all(_is_read(name) for name in names):
            found.append(PythonFile(".".join(names), path))
    return sorted(found)


def _is_read(name: str) -> bool:
    return name.isidentifier() and not name.startswith("_") and name not in NOT_READ


def _in_turn(sources: Sequence[PythonFile]) -> Iterator[PythonFile]:
    """One module of each package, then the next of each, in an order that only names decide."""
    packages: dict[str, list[PythonFile]] = {}
    for source in sorted(sources, key=_shuffled):
        packages.setdefault(source.package, []).append(source)
    rounds = zip_longest(*(packages[name] for name in sorted(packages)))
    return (source for source in chain.from_iterable(rounds) if source)


def _shuffled(source: PythonFile) -> bytes:
    return blake2b(source.module.encode(), digest_size=8).digest()


def _read(
    sources: Iterable[PythonFile], origin: str, most: int | None = None
) -> Iterator[Docstring]:
    """The docstrings of each source, at most `most` of one."""
    for source in sources:
        yield from islice(_read_one(source, origin), most)


def _read_one(source: PythonFile, origin: str) -> Iterator[Docstring]:
    tree = _parsed(source.path)
    for name, kind, node in _documented(tree) if tree else ():
        text = ast.get_docstring(node)
        if text and text.strip():
            yield Docstring(
                id=".".join((source.module, *name)),
                text=text,
                package=source.package,
                module=source.module,
                kind=kind,
                origin=origin,
                arguments=_n_arguments(node),
                line=getattr(node, "lineno", 1),
            )


def _parsed(path: Path) -> ast.Module | None:
    """The file's syntax tree; None for one that is not Python of this version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in other people's code
        try:
            return ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, OSError):
            return None


def _documented(
    tree: ast.Module,
) -> Iterator[tuple[tuple[str, ...], Kind, ast.Module | Definition]]:
    """The module, and all that is public in it."""
    yield (), "module", tree
    yield from _definitions(tree, (), "function")


def _definitions(
    node: ast.AST, prefix: tuple[str, ...], function: Kind
) -> Iterator[tuple[tuple[str, ...], Kind, Definition]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            if not child.name.startswith("_"):
                name = (*prefix, child.name)
                if isinstance(child, ast.ClassDef):
                    yield name, "class", child
                    yield from _definitions(child, name, "method")
                else:
                    yield name, function, child
        elif isinstance(child, ast.If | ast.Try | ast.With):
            yield from _definitions(child, prefix, function)


def _n_arguments(node: ast.AST) -> int | None:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    arguments = node.args
    return len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
