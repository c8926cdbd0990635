"""What documents are read from, and what a corpus is called that nobody has named."""

import re
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Protocol

from saelake.store.errors import InvalidInput


class ArrowStream(Protocol):
    """Whatever exports Arrow: a DataFrame of pandas or polars, an Arrow table or reader, …"""

    def __arrow_c_stream__(self, requested_schema: object | None = None, /) -> object:
        """The stream of the Arrow PyCapsule interface."""


# A location or several, a table, or rows.
Location = str | PathLike[str]
Importable = Location | Sequence[Location] | ArrowStream | Iterable[Mapping[str, Any]]


class SparseMatrix(Protocol):
    """A sparse matrix or array of SciPy's, of any form."""

    def tocsr(self) -> Any:
        """The matrix as CSR."""


Vectors = Importable | SparseMatrix


def default_corpus(data: object) -> str:
    """The corpus that a file becomes: its name without folders and extensions.

    Raises `InvalidInput` for several files, for data in Python, and for a location that suggests
    no name.
    """
    if isinstance(data, list | tuple) and len(data) == 1:
        (data,) = data
    if not isinstance(data, str | PathLike):
        raise InvalidInput("Several files, and data in Python, suggest no name: give a corpus.")
    location = fspath(data)
    stem = Path(location.split("://")[-1].rstrip("/")).name.split(":")[0].split(".")[0]
    called = re.sub("-{2,}", "-", re.sub(r"[^A-Za-z0-9._-]+", "_", stem)).strip("-._")
    if not called or any(character in stem for character in "*?["):
        raise InvalidInput(f"{location!r} suggests no name: give one with --corpus.")
    return called


def shown(data: object) -> str:
    """What people call what is read."""
    if isinstance(data, str | PathLike):
        return "standard input" if fspath(data) == "-" else fspath(data)
    paths = (
        [d for d in data if isinstance(d, str | PathLike)] if isinstance(data, list | tuple) else []
    )
    if not paths:
        return "rows"
    return shown(paths[0]) if len(paths) == 1 else f"{len(paths)} locations"
