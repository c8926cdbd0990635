"""The application, listening: in a thread beside the program that began it."""

import asyncio
import socket
import threading
from concurrent.futures import Future
from dataclasses import replace

import uvicorn

from saelake.store.wire.address import Address, cannot_listen
from saelake.web.app import application
from saelake.web.lakes import Lakes
from saelake.web.settings import WebSettings

GRACE_S = 5


class WebServer:
    """A page in this process, as a context manager; it stops at the end of the block.

    >>> with WebServer(Lakes("grpc://localhost:50051"), WebSettings()) as web:  # doctest: +SKIP
    ...     print(web.url)
    """

    def __init__(self, lakes: Lakes, settings: WebSettings) -> None:
        self._lakes, self._settings = lakes, settings
        self.address = settings.address

    @property
    def url(self) -> str:
        """What a browser opens."""
        return f"{self._settings.scheme}://{self.address}/"

    def __enter__(self) -> "WebServer":
        listening = _listening(self.address)
        self.address = replace(self.address, port=listening.getsockname()[1])
        settings = replace(self._settings, address=self.address)
        config = uvicorn.Config(
            application(self._lakes, settings),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.key,
        )
        self._server = uvicorn.Server(config)
        self._ended: Future[None] = Future()
        threading.Thread(
            target=self._run, args=(listening,), name="saelake-web", daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._ended.result(GRACE_S + 5)

    def _run(self, listening: socket.socket) -> None:
        try:
            asyncio.run(self._server.serve([listening]))
        finally:
            self._ended.set_result(None)


def _listening(address: Address) -> socket.socket:
    """A socket at the address. Raises `InvalidInput` where it is taken."""
    try:
        return socket.create_server((address.host, address.port), backlog=1024)
    except OSError as error:
        raise cannot_listen(address, "--port", error) from error
