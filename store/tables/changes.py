"""What a commit changes of a table: fragments, and drafts of them that nobody sees yet."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """One immutable piece of a table: its id, its number of rows, and its files' bytes."""

    id: int
    n_rows: int
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """Rows that are written but not committed: fragments, each as Lance's JSON."""

    fragments: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the fragments' files; see `Table.file_of`."""
        return tuple(json.loads(fragment)["files"][0]["path"] for fragment in self.fragments)

    @property
    def fields(self) -> frozenset[int]:
        """The numbers of the fields that the fragments' files have."""
        files = (file for fragment in self.fragments for file in json.loads(fragment)["files"])
        return frozenset(number for file in files for number in file["fields"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Evolution:
    """Other columns of the snapshot of this version: its fragments, and what the columns are.

    The fragments are Lance's JSON and have files more than before; `columns` is a LanceSchema.
    """

    version: int
    fragments: tuple[str, ...]
    columns: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a commit does in one step: add a draft, take fragments out, put others in their place.

    A draft of `instead` is one fragment with the rows of the one whose id and place it gets. With
    an `evolution` of the snapshot it also changes columns; then it only adds.
    """

    add: Draft = Draft(())
    remove: tuple[int, ...] = ()
    instead: Mapping[int, Draft] = field(default_factory=dict)
    evolution: Evolution | None = None
