"""A proxy before the S3 server: it counts what passes, and fails as networks and stores do.

moto looks whether an object is there and puts it in two steps, so the proxy passes conditional
PUTs on one at a time; what they are answered is moto's own.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Lock, Thread
from time import sleep

DELAY_S = 0.05


class Fault(StrEnum):
    """What can befall a request."""

    LOST = "applied, and the connection closed before the answer"
    DISOWNED = "applied, and answered 500"
    CUT = "answered, and the connection closed in the middle of the body"
    CLOSED = "the connection closed before the request was read"
    FAILED = "not applied, and answered 500"
    SLOW_DOWN = "not applied, and answered 503 SlowDown"
    BUSY = "not applied, and answered 409, as Amazon does to conditional PUTs that meet"
    DENIED = "not applied, and answered 403 AccessDenied"
    LATE = "applied and answered after a delay"


Choice = Callable[[str, str], Fault | None]  # of a method and a path


def none(method: str, path: str) -> Fault | None:
    """Nothing befalls any request."""
    return None


@dataclass(slots=True)
class Bad:
    """A seeded run of bad luck: single faults, and outages that outlast a client's retries."""

    random: Random
    rate: float = 0.1
    outage_rate: float = 0.01
    outage: tuple[int, int] = (30, 150)
    kinds: tuple[Fault, ...] = tuple(k for k in Fault if k not in (Fault.DENIED, Fault.BUSY))
    left: int = 0

    def __call__(self, method: str, path: str) -> Fault | None:
        """What befalls the next request."""
        if self.left == 0 and self.random.random() < self.outage_rate:
            self.left = self.random.randint(*self.outage)
        if self.left:
            self.left -= 1
            return self.random.choice((Fault.CLOSED, Fault.FAILED, Fault.SLOW_DOWN, Fault.LOST))
        return self.random.choice(self.kinds) if self.random.random() < self.rate else None


@dataclass(slots=True)
class Proxy:
    """What passes to the server at `upstream`, and what is done to it."""

    upstream: str
    choose: Choice = none
    delay_s: float = 0.0  # of every answer
    requests: Counter[str] = field(default_factory=Counter)  # by method
    faults: Counter[Fault] = field(default_factory=Counter)
    conditions: list[str] = field(default_factory=list)  # paths of PUTs with If-None-Match
    bytes_out: int = 0  # of the bodies of answers
    conditional: Lock = field(default_factory=Lock)
    _lock: Lock = field(default_factory=Lock)

    def fault(self, method: str, path: str) -> Fault | None:
        """What befalls this request; counted."""
        with self._lock:
            self.requests[method] += 1
            found = self.choose(method, path)
            if found:
                self.faults[found] += 1
            return found

    def sent(self, n_bytes: int) -> None:
        """Count the bytes of an answer."""
        with self._lock:
            self.bytes_out += n_bytes

    def reset(self) -> None:
        """Count from 0 again."""
        with self._lock:
            self.requests.clear()
            self.faults.clear()
            self.bytes_out = 0


@contextmanager
def proxied(upstream: str) -> Iterator[tuple[str, Proxy]]:
    """A proxy before the server at this address, and its own address."""
    proxy = Proxy(upstream)

    class Handler(_Handler):
        shared = proxy

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shared: Proxy

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def handle_any(self) -> None:
        """Pass the request on, or not."""
        body = self._body()
        sleep(self.shared.delay_s)
        fault = self.shared.fault(self.command, self.path)
        match fault:
            case Fault.CLOSED:
                self.close_connection = True
            case Fault.FAILED:
                self._answer_error(500, "InternalError")
            case Fault.SLOW_DOWN:
                self._answer_error(503, "SlowDown")
            case Fault.BUSY:
                self._answer_error(409, "ConditionalRequestConflict")
            case Fault.DENIED:
                self._answer_error(403, "AccessDenied")
            case _:
                self._pass(body, fault)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_any  # noqa: N815

    def _body(self) -> bytes:
        if "Transfer-Encoding" not in self.headers:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _pass(self, body: bytes, fault: Fault | None) -> None:
        status, headers, answer = self._forwarded(body)
        if fault is Fault.LOST:
            self.close_connection = True
            return
        if fault is Fault.DISOWNED:
            self._answer_error(500, "InternalError")
            return
        if fault is Fault.LATE:
            sleep(DELAY_S)
        if fault is Fault.CUT:
            self.close_connection = True
            answer = answer[: len(answer) // 2]
        self._answer(status, headers, answer)

    def _forwarded(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        if "If-None-Match" not in self.headers:
            return self._ask_upstream(body)
        with self.shared.conditional:
            self.shared.conditions.append(self.path)
            return self._ask_upstream(body)

    def _ask_upstream(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        ours = ("transfer-encoding", "content-length", "expect", "connection")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ours}
        connection = HTTPConnection(self.shared.upstream.removeprefix("http://"), timeout=60)
        try:
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _answer_error(self, status: int, code: str) -> None:
        text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'
        body = b"" if self.command == "HEAD" else text.encode()
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
        self._answer(status, headers, body)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.shared.sent(len(body))
