"""Ports that several processes of one server share, and nobody else.

They are shared by SO_REUSEPORT. The kernel refuses that beside a socket without it, also one that
only lingers: for a minute the connections of a server that has ended are such, if that was one
process. SO_REUSEADDR is for those. But it also lets in beside whoever holds a port as we do and
does not listen yet: so it is asked for only where connections linger, and a port is claimed too.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saelake.store.wire.address import Address, cannot_listen

CONNECTIONS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LISTENS = "0A"  # TCP_LISTEN of include/net/tcp_states.h


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPort:
    """A port that others may listen on who share it, and nobody else."""

    sockets: tuple[socket.socket, ...]
    address: Address

    @classmethod
    def take(cls, address: Address, option: str = "--port") -> "HeldPort":
        """The port, of nobody so far but connections that linger. Raises `InvalidInput`."""
        try:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            family, kind, _, _, where = found[0]
            with socket.socket(family, kind) as alone:
                alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                alone.bind(where)
                port = alone.getsockname()[1]
            taken = replace(address, port=port)
            with ExitStack() as failing:
                claim = failing.enter_context(_claimed(taken))
                held = _held(family, kind, (where[0], port, *where[2:]))
                failing.pop_all()
        except OSError as error:
            raise cannot_listen(address, option, error) from error
        return cls(sockets=(claim, held), address=taken)

    def close(self) -> None:
        """Let go of it."""
        for each in self.sockets:
            each.close()


def _claimed(address: Address) -> socket.socket:
    """What one process has at a time for an address, until it closes it. Raises `OSError`."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0saelake/{address}")  # Linux's abstract names: no file is left behind
    except OSError:
        claim.close()
        raise
    return claim


def _held(family: int, kind: int, where: tuple[Any, ...]) -> socket.socket:
    """A socket that holds an address, which others may share. Raises `OSError`."""
    try:
        return _shared(family, kind, where)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not any(map(_lingers, _states(where[1]))):
            raise
    return _shared(family, kind, where, among_lingering=True)


def _shared(
    family: int, kind: int, where: tuple[Any, ...], *, among_lingering: bool = False
) -> socket.socket:
    held = socket.socket(family, kind)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(among_lingering))
        held.bind(where)
    except OSError:
        held.close()
        raise
    return held


def _lingers(state: str) -> bool:
    return state != LISTENS


def _states(port: int) -> Iterator[str]:
    """The states of the sockets at a local port, as Linux lists them."""
    for path in CONNECTIONS:
        with suppress(OSError):
            rows = (line.split() for line in path.read_text().splitlines()[1:])
            yield from (row[3] for row in rows if int(row[1].rpartition(":")[2], 16) == port)
