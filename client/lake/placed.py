"""Where a lake is, and whether it can be changed."""

from dataclasses import dataclass

from saelake.store.errors import InvalidInput
from saelake.transport import Transport


@dataclass(frozen=True, slots=True)
class PlacedLake:
    """A lake, in this process or behind a server; `at` a tag, a time or a state, or as it is."""

    uri: str
    transport: Transport
    is_remote: bool
    at: str | None = None

    def _writable_here(self, what: str) -> None:
        """Raise `InvalidInput` unless the lake is in reach of this process, and as it is now."""
        if self.is_remote:
            raise InvalidInput(
                f"Cannot {what} through a server. Run this where the lake is, with "
                "saelake.connect(PATH) or --lake PATH.",
                lake=self.uri,
            )
        self._changeable(what)

    def _changeable(self, what: str) -> None:
        """Raise `InvalidInput` of a lake that is opened as it was."""
        if self.at is not None:
            raise InvalidInput(
                f"Cannot {what}: {self.uri} is opened as it was at {self.at!r}, which can only be "
                "read. Connect without `at` to change the lake as it is.",
                lake=self.uri,
                at=self.at,
            )
