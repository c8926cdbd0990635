"""What a commit changes of a table: fragments, and drafts of them that nobody sees yet."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a commit does in one step: add a draft, take fragments out, put others in their place.

    A draft of `instead` is one fragment with the rows of the one whose id and place it gets.
    """

    add: Draft = Draft(())
    remove: tuple[int, ...] = ()
    instead: Mapping[int, Draft] = field(default_factory=dict)
