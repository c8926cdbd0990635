"""Commands that keep a lake in shape."""

from dataclasses import dataclass

from saelake.store.errors import InvalidInput
from saelake.store.reports import (
    CleanupReport,
    CompactReport,
    DropReport,
    RepairReport,
    ReplaceReport,
    Tag,
    UntagReport,
)
from saelake.store.requests.commands.command import Command

WEEK_S = 7 * 24 * 3600.0
LONGEST_S = 1000 * 365 * 24 * 3600.0  # a time so long ago there is still a date for


@dataclass(frozen=True, kw_only=True)
class TagCommand(Command, right="admin", report=Tag, is_long=True):
    """Name the state that the lake is in."""

    name: str


@dataclass(frozen=True, kw_only=True)
class UntagCommand(Command, right="admin", report=UntagReport, is_long=True):
    """Forget a tag."""

    name: str


@dataclass(frozen=True, kw_only=True)
class CompactCommand(Command, right="admin", report=CompactReport, is_long=True):
    """Make few large files of many small ones, of a collection or a corpus with all of its."""

    target: str

    @property
    def corpora(self) -> tuple[str, ...]:
        """See `Command`."""
        return (self.target.partition("/")[0],)


@dataclass(frozen=True, kw_only=True)
class RepairCommand(Command, right="admin", report=RepairReport, is_long=True):
    """Take damaged codes and kept activations out, and make again what does not agree with them.

    Of a collection, or of the whole lake. Reads all data.
    """

    collection: str | None = None

    @property
    def corpora(self) -> tuple[str, ...] | None:
        """See `Command`."""
        return None if self.collection is None else (self.collection.partition("/")[0],)


@dataclass(frozen=True, kw_only=True)
class CleanupCommand(Command, right="admin", report=CleanupReport, is_long=True):
    """Delete the files of states that are older than so many seconds and have no tag.

    With `former_labels` also what labels were before they were replaced, if that is as long ago.
    """

    older_than_s: float = WEEK_S
    former_labels: bool = False

    def check(self) -> None:
        """See `Command`."""
        if not 0 <= self.older_than_s <= LONGEST_S:
            raise InvalidInput(
                f"A state is as old as 0 s or more, and {LONGEST_S:g} s at the most: not "
                f"{self.older_than_s:g}."
            )


@dataclass(frozen=True, kw_only=True)
class ReplaceCommand(Command, right="admin", report=ReplaceReport, is_long=True):
    """Let the name `old` of a dictionary mean what `new` does, in every corpus."""

    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class DropCommand(Command, right="admin", report=DropReport, is_long=True):
    """Delete a collection, or a corpus with all of its, with all earlier states."""

    target: str

    @property
    def corpora(self) -> tuple[str, ...]:
        """See `Command`."""
        return (self.target.partition("/")[0],)
