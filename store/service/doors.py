"""Doors: what asks a server that stands beside it, for callers that do not speak gRPC.

A door is a client like any other, so that rights, limits and the audit are those of calls. It comes
in by a socket of its own, which has a file in a folder that only this user may enter: there is no
TLS on the way, nor another process that shares the server's port. Tokens are needed there as
anywhere. Where clients must have certificates, the door asks for them itself (`Access.client_ca`).
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Protocol

from saelake.store.errors import InvalidInput
from saelake.store.service.access.protection import Access
from saelake.store.wire.address import Address

LONGEST_PATH = 100  # bytes of a socket's; the smallest system has 104


class OpenDoor(Protocol):
    """A door that listens."""

    @property
    def address(self) -> Address:
        """Where it listens, with the port that was taken."""

    async def close(self, grace_s: float) -> None:
        """Take no more callers, and let those under way have so long."""


class Door(Protocol):
    """A door before it is opened: a value, which is sent to serving processes."""

    @property
    def address(self) -> Address:
        """Where it shall listen."""

    def sharing(self, address: Address) -> "Door":
        """This door at an address that several processes share."""

    async def open(self, server: str, access: Access) -> OpenDoor:
        """Listen, protected as the server is, and ask that at this target.

        Raises `InvalidInput`.
        """


@dataclass(frozen=True, slots=True)
class InnerSocket:
    """Where doors ask the server of this process."""

    folder: Path

    @classmethod
    def take(cls) -> "InnerSocket":
        """A socket in a new folder. Raises `InvalidInput` where its name would be too long."""
        folder = Path(tempfile.mkdtemp(prefix="saelake-"))  # of this user alone
        inner = cls(folder)
        if len(inner.target.encode()) > LONGEST_PATH:
            inner.close()
            raise InvalidInput(
                f"The folder for temporary files, {folder.parent}, has too long a name for a "
                "socket in it: set TMPDIR to a shorter one.",
                path=folder.parent,
            )
        return inner

    @property
    def target(self) -> str:
        """What gRPC calls it."""
        return f"unix:{self.folder / 'lake'}"

    def close(self) -> None:
        """Take it away."""
        rmtree(self.folder, ignore_errors=True)
