"""What would hinder a server, found without starting it."""

import socket
from collections.abc import Callable, Iterator
from functools import partial

from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput, SaelakeError
from saelake.store.service.serve import ServerSettings
from saelake.store.wire.address import Address, cannot_listen


def hindrances(settings: ServerSettings) -> tuple[SaelakeError, ...]:
    """Each thing that is wrong: with the lake, the protection, a certificate, a port."""
    return tuple(_found(settings))


def _found(settings: ServerSettings) -> Iterator[SaelakeError]:
    checks: list[Callable[[], object]] = [
        partial(_check_lake, settings),
        partial(settings.access.check_host, settings.address.host),
        settings.access.credentials,
        partial(_check_free, settings.address, "--port"),
    ]
    for address, option in (
        (settings.lifetime.health, "--health"),
        (settings.telemetry.metrics, "--metrics"),
    ):
        if address is not None:
            checks.append(partial(_check_free, address, option))
    for check in checks:
        try:
            check()
        except SaelakeError as error:
            yield error


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
