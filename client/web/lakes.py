"""The lake as each caller may see it: a connection for each token, all to one server."""

from collections import OrderedDict

from saelake.aio.connection import connect
from saelake.aio.lake import AsyncLake

MOST = 64  # connections that are kept


class Lakes:
    """Connections to one server, of one event loop.

    Who brings no token asks with `token`, which is of whoever began the page for himself.
    """

    def __init__(self, target: str, *, token: str | None = None, ca: str | None = None) -> None:
        self._target, self._token, self._ca = target, token, ca
        self._opened: OrderedDict[str | None, AsyncLake] = OrderedDict()

    async def of(self, token: str | None) -> AsyncLake:
        """The lake, asked with this token."""
        token = token or self._token
        lake = self._opened.get(token)
        if lake is None:
            lake = self._opened[token] = connect(self._target, token=token, ca=self._ca)
        self._opened.move_to_end(token)
        if len(self._opened) > MOST:
            _, oldest = self._opened.popitem(last=False)
            await oldest.close()
        return lake

    async def close(self) -> None:
        """Close all of them."""
        for lake in self._opened.values():
            await lake.close()
        self._opened.clear()
