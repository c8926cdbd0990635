"""A lake behind a server that takes changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import saelake
from saelake.lake import Lake
from saelake.store.service.changes import Allowed
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings

ALL = Allowed(rights=frozenset(("label", "encode", "admin")))


@contextmanager
def changeable(uri: str, allowed: Allowed = ALL, **settings: Any) -> Iterator[Lake]:
    """A client's lake, of which the server does what is allowed."""
    served = ServerSettings(uri=uri, address=Address(port=0), allowed=allowed)
    with (
        BackgroundServer(replace(served, **settings)) as server,
        saelake.connect(server.target) as lake,
    ):
        yield lake
