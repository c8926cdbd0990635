"""The application, listening: as a door of a server, by itself, or in a thread of a program."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace

import uvicorn
from starlette.types import ASGIApp

from saelake.store.service.access.protection import Access
from saelake.store.service.signals import stopping_signal
from saelake.store.wire.address import Address, cannot_listen
from saelake.store.wire.tls import read_pair, read_roots
from saelake.web.app import application
from saelake.web.lakes import Lakes
from saelake.web.settings import WebSettings

ENDING_S = 5.0  # for those who are cut off
MOST_CALLERS = 1000  # connections at once; others are told to come again
BACKLOG = 1024

Application = Callable[[Lakes, WebSettings], ASGIApp]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebDoor:
    """The page and the API beside a gRPC server; see `store.service.doors`.

    `hosts` are names by which browsers may call it beside its address. `made` makes what is served
    there: the page and the API, or the tools of agents alone.
    """

    address: Address
    hosts: tuple[str, ...] = ()
    made: Application = application
    shares_port: bool = False

    def sharing(self, address: Address) -> "WebDoor":
        """See `Door`."""
        return replace(self, address=address, shares_port=True)

    async def open(self, server: str, access: Access) -> "OpenWeb":
        """See `Door`."""
        settings = WebSettings(
            address=self.address,
            hosts=self.hosts,
            certificate=access.certificate,
            key=access.key,
            client_ca=access.client_ca,
            shares_port=self.shares_port,
        )
        return OpenWeb(Lakes(server), settings, self.made)


class OpenWeb:
    """The application, listening in the event loop that made it. Raises `InvalidInput`."""

    def __init__(
        self, lakes: Lakes, settings: WebSettings, made: Application = application
    ) -> None:
        check_certificates(settings)
        listening = _listening(settings)
        port = listening.getsockname()[1]
        self._settings = replace(settings, address=replace(settings.address, port=port))
        self._server = _Uvicorn(_config(made(lakes, self._settings), self._settings))
        self._serving = asyncio.ensure_future(self._server.serve([listening]))

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._settings.address

    @property
    def url(self) -> str:
        """What a browser opens."""
        return url_of(self._settings)

    async def close(self, grace_s: float) -> None:
        """Take no more callers, and let those under way have so long."""
        self._server.config.timeout_graceful_shutdown = max(1, round(grace_s))
        self._server.should_exit = True
        await asyncio.wait((self._serving,), timeout=grace_s + ENDING_S)


def serve_web(
    lakes: Lakes,
    settings: WebSettings,
    on_open: Callable[[str], object] = lambda _: None,
    made: Application = application,
) -> None:
    """Serve until SIGINT or SIGTERM; `on_open` is told the URL."""

    async def run() -> None:
        web = OpenWeb(lakes, settings, made)
        stopped = stopping_signal()
        on_open(web.url)
        await stopped
        await web.close(settings.grace_s)

    asyncio.run(run())


class WebServer:
    """A page in this process, as a context manager; it stops at the end of the block.

    >>> with WebServer(Lakes("grpc://localhost:50051"), WebSettings()) as web:  # doctest: +SKIP
    ...     print(web.url)
    """

    def __init__(
        self, lakes: Lakes, settings: WebSettings, made: Application = application
    ) -> None:
        self._lakes, self._settings, self._made = lakes, settings, made
        self._begun: Future[OpenWeb] = Future()

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._begun.result().address

    @property
    def url(self) -> str:
        """What a browser opens."""
        return self._begun.result().url

    def __enter__(self) -> "WebServer":
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, name="saelake-web", daemon=True).start()
        self._begun.result()
        return self

    def __exit__(self, *_: object) -> None:
        closing = self._begun.result().close(self._settings.grace_s)
        asyncio.run_coroutine_threadsafe(closing, self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self) -> None:
        self._loop.call_soon(self._begin)
        self._loop.run_forever()
        self._loop.run_until_complete(_end_tasks())
        self._loop.close()

    def _begin(self) -> None:
        try:
            self._begun.set_result(OpenWeb(self._lakes, self._settings, self._made))
        except Exception as error:
            self._begun.set_exception(error)
            self._loop.stop()


async def _end_tasks() -> None:
    """End what libraries have left to run in this loop, as `asyncio.run` does."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


class _Uvicorn(uvicorn.Server):
    """A server that leaves signals to whoever began it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See `uvicorn.Server`."""
        yield


def _config(served: ASGIApp, settings: WebSettings) -> uvicorn.Config:
    return uvicorn.Config(
        served,
        log_config=None,
        access_log=False,  # calls are noted by the server that is asked
        server_header=False,
        limit_concurrency=MOST_CALLERS,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
        ssl_ca_certs=None if settings.client_ca is None else str(settings.client_ca),
        ssl_cert_reqs=ssl.CERT_NONE if settings.client_ca is None else ssl.CERT_REQUIRED,
    )


def check_certificates(settings: WebSettings) -> None:
    """Raise `NotFound` and `InvalidInput` for files that are no certificates."""
    if settings.certificate is not None and settings.key is not None:
        read_pair(settings.certificate, settings.key)
    if settings.client_ca is not None:
        read_roots(settings.client_ca)


def url_of(settings: WebSettings) -> str:
    """What a browser opens: of a page at every address of the machine the name of this one."""
    host, port = settings.address.host, settings.address.port
    named = "localhost" if host in ("0.0.0.0", "::", "") else host
    return f"{settings.scheme}://{Address(host=named, port=port)}/"


def _listening(settings: WebSettings) -> socket.socket:
    """A socket at the address. Raises `InvalidInput` where it is taken."""
    address = settings.address
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        return socket.create_server(
            found[0][4][:2],
            family=found[0][0],
            backlog=BACKLOG,
            reuse_port=settings.shares_port,
        )
    except OSError as error:
        raise cannot_listen(address, "--http or --port", error) from error
