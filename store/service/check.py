"""What would hinder a server, found without starting it."""

import os
import socket
from collections.abc import Callable, Iterator
from errno import EADDRINUSE
from functools import partial
from itertools import combinations

from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput, SaelakeError
from saelake.store.service.access.audit import auditing
from saelake.store.service.access.callers import Callers
from saelake.store.service.access.protection import Access
from saelake.store.service.serve import ServerSettings
from saelake.store.wire.address import Address, cannot_listen


def hindrances(settings: ServerSettings) -> tuple[SaelakeError, ...]:
    """Each thing that is wrong: with the lake, the protection, a file of it, a port."""
    return tuple(_found(settings))


def _found(settings: ServerSettings) -> Iterator[SaelakeError]:
    checks: list[Callable[[], object]] = [
        partial(_check_lake, settings),
        partial(settings.access.check_host, settings.address.host),
        *(partial(settings.access.check_host, door.address.host) for door in settings.doors),
        settings.access.credentials,
        partial(Callers, settings.access),
        partial(_check_audit, settings.access),
    ]
    addresses = _addresses(settings)
    checks += [partial(_check_free, address, option) for option, address in addresses.items()]
    checks += [partial(_check_apart, pair) for pair in combinations(addresses.items(), 2)]
    for check in checks:
        try:
            check()
        except SaelakeError as error:
            yield error


def _addresses(settings: ServerSettings) -> dict[str, Address]:
    """Where it would listen, by what says so."""
    found = {
        "--port": settings.address,
        "--health": settings.lifetime.health,
        "--metrics": settings.telemetry.metrics,
        "--http": settings.doors[0].address if settings.doors else None,
    }
    return {option: address for option, address in found.items() if address is not None}


def _check_apart(both: tuple[tuple[str, Address], tuple[str, Address]]) -> None:
    """Raise `InvalidInput` for two that would listen at one address."""
    (_, first), (option, second) = both
    if first.port and first == second:
        taken = OSError(EADDRINUSE, os.strerror(EADDRINUSE))
        raise cannot_listen(second, option, taken)


def _check_audit(access: Access) -> None:
    """Raise `InvalidInput` where calls could not be noted; a file that is begun for this goes."""
    if access.audit is None:
        return
    path = access.audit.expanduser()
    was_there = path.exists()
    for log in auditing(access):
        log.close()
    if not was_there:
        path.unlink()


def _check_lake(settings: ServerSettings) -> None:
    """Raise what hinders to open every collection, and to preload those that are to be."""
    engine = Engine(settings.uri, at=settings.at)
    try:
        engine.lake.tables()
        engine.warm()
        known = set(map(str, engine.lake.collections()))
    finally:
        engine.close()
    missing = [name for name in settings.lifetime.preload if name not in known]
    if missing:
        raise InvalidInput(
            f"There is no collection {missing[0]} to preload: {', '.join(sorted(known)) or 'none'}."
        )


def _check_free(address: Address, option: str) -> None:
    """Raise `InvalidInput` where nothing can listen."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(place)
    except OSError as error:
        raise cannot_listen(address, option, error) from error
