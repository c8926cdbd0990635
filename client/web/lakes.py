"""The lake as each caller may see it: by one connection to a server, with the token of each."""

from saelake.aio.lake import AsyncLake
from saelake.aio.remote import AsyncRemote
from saelake.connection import RETRIES
from saelake.served.channels import Connection, File
from saelake.served.retries import Retries
from saelake.served.servers import Servers

UNIX = "unix:"


class Lakes:
    """A server's lake, for callers of one event loop, as it was `at` a tag, a time or a state.

    Who brings no token asks with `token`, which is of whoever began the page for himself. No
    variable stands in for it: that of a server would make everybody its owner.
    """

    def __init__(
        self,
        target: str,
        *,
        token: str | None = None,
        ca: File | None = None,
        certificate: File | None = None,
        key: File | None = None,
        at: str | None = None,
    ) -> None:
        connection = Connection(
            servers=_servers(target),
            token=token,
            ca=ca,
            certificate=certificate,
            key=key,
            retries=Retries(most=RETRIES),
        )
        connection.check_files()
        self._target, self._at = target, at
        self._remote = AsyncRemote(connection)

    async def of(self, token: str | None) -> AsyncLake:
        """The lake, asked with this token. Raises `InvalidInput` for what cannot be one."""
        remote = self._remote if token is None else self._remote.as_caller(token)
        lake = AsyncLake(self._target, remote, is_remote=True)
        return lake if self._at is None else lake.as_of(self._at)

    async def close(self) -> None:
        """Close the connection."""
        await self._remote.close()


def _servers(target: str) -> Servers:
    if target.startswith(UNIX):
        return Servers(addresses=(target,), secure=False)
    return Servers.parse(target)
