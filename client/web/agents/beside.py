"""A lake that is in reach, asked by a server of this very process."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from saelake.store.service.access.protection import Access
from saelake.web.lakes import Lakes

if TYPE_CHECKING:
    from saelake.store.service.serve import ServerSettings


@asynccontextmanager
async def own_lakes(settings: "ServerSettings") -> AsyncIterator[Lakes]:
    """The lake of a server for as long as the block; nobody else may ask it."""
    from saelake.store.service.serve import serving

    token = secrets.token_urlsafe(32)
    async with serving(replace(settings, access=Access(token=token))) as address:
        yield Lakes(f"grpc://{address}", token=token)
