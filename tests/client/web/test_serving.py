"""The page as it is served: beside a server, by itself, and until it is told to stop."""

import re
import signal
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pyarrow as pa
import pytest

from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.requests.request import Request
from saelake.store.requests.tokens import TokensQuery
from saelake.store.service.access.protection import Access
from saelake.store.service.doors import InnerSocket
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.service.telemetry.settings import Telemetry
from saelake.web.lakes import Lakes
from saelake.web.serving import WebDoor, WebServer
from saelake.web.settings import WebSettings
from tests.client.cli.command import PROGRAM, environment, run
from tests.client.web.calling import FORM, call, connection, question
from tests.lakes import MadeLake, make_lake
from tests.store.service.answering import answer_with
from tests.store.service.certificates import make_certificates, pair_of

NAME = "made/random"
TOKEN = "a token of 24 characters"
ASKED = f"/api/v1/tokens?collection={NAME}&expression=3&k=1"
# The program, whose engine takes its time for tokens.
SLOW = """
import sys, time
from saelake.cli.app import main
from saelake.store.engine import Engine
from saelake.store.requests.tokens import TokensQuery
ask = Engine.ask
def slow(engine, request, /, **given):
    if isinstance(request, TokensQuery):
        time.sleep(2)
    return ask(engine, request, **given)
Engine.ask = slow
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("served") / "lake", n_documents=20)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def door(made: MadeLake, **given: object) -> Iterator[BackgroundServer]:
    """A server with its page as a door."""
    settings = ServerSettings(
        uri=made.lake.uri,
        address=Address(port=0),
        doors=(WebDoor(address=Address(port=0)),),
        **given,  # type: ignore[arg-type]
    )
    with BackgroundServer(settings) as running:
        yield running


def at_door(running: BackgroundServer, scheme: str = "http") -> str:
    return f"{scheme}://{running.door_addresses[0]}/"


# -- Beside a server.


def test_a_server_with_tls_answers_https_with_its_certificate(
    made: MadeLake, certificates: Path
) -> None:
    trusting = ssl.create_default_context(cafile=certificates / "ca.pem")
    access = Access(token=TOKEN, **pair_of(certificates, "server"))
    with door(made, access=access) as running:
        url = at_door(running, "https")
        assert call(url, ASKED, context=trusting).status == 401
        assert call(url, ASKED, context=trusting, Authorization=f"Bearer {TOKEN}").json["hits"]
        form = f"token={TOKEN.replace(' ', '+')}"
        signed = call(url, "/sign-in", method="POST", body=form, context=trusting, **FORM)
        assert "Secure" in signed.headers["set-cookie"]
        with pytest.raises(ssl.SSLError):
            call(url, ASKED, context=ssl.create_default_context())


def test_where_clients_need_certificates_browsers_do(made: MadeLake, certificates: Path) -> None:
    """The door's own way in has no TLS: without this it would lead around access."""
    access = Access(client_ca=certificates / "ca.pem", **pair_of(certificates, "server"))
    without = ssl.create_default_context(cafile=certificates / "ca.pem")
    with_one = ssl.create_default_context(cafile=certificates / "ca.pem")
    with_one.load_cert_chain(certificates / "client.pem", certificates / "client.key")
    with door(made, access=access) as running:
        url = at_door(running, "https")
        with pytest.raises(OSError, match=r"(?i)certificate|reset|closed|eof"):
            call(url, ASKED, context=without)
        assert call(url, ASKED, context=with_one).json["hits"]


def test_a_door_is_as_protected_as_its_server(made: MadeLake) -> None:
    elsewhere = WebDoor(address=Address(host="0.0.0.0", port=0))
    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0), doors=(elsewhere,))
    with pytest.raises(InvalidInput, match="lets other machines in"), BackgroundServer(settings):
        pass


def test_a_port_that_is_taken_is_named_and_nothing_is_left(
    made: MadeLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with door(made) as running:
        taken = WebDoor(address=running.door_addresses[0])
        settings = ServerSettings(uri=made.lake.uri, address=Address(port=0), doors=(taken,))
        with pytest.raises(InvalidInput, match="another --http"), BackgroundServer(settings):
            pass
        ran = run("serve", "--lake", made.lake.uri, "--http", str(taken.address), "--check")
        assert ran.code == 1
        assert "--http" in ran.err


def test_the_way_in_of_doors_is_of_this_user_alone(made: MadeLake) -> None:
    inner = InnerSocket.take()
    try:
        assert stat.S_IMODE(inner.folder.stat().st_mode) == 0o700
    finally:
        inner.close()
    assert not inner.folder.exists()


def test_a_way_in_with_too_long_a_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (long := tmp_path / ("x" * 100)).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with pytest.raises(InvalidInput, match="TMPDIR"):
        InnerSocket.take()
    assert list(long.iterdir()) == []


def test_files_that_are_no_certificates_are_named(made: MadeLake, certificates: Path) -> None:
    lakes = Lakes("grpc://localhost:1")
    none = WebSettings(certificate=Path("none.pem"), key=Path("none.key"))
    with pytest.raises(NotFound, match=r"none\.pem"), WebServer(lakes, none):
        pass
    wrong = WebSettings(certificate=certificates / "ca.key", key=certificates / "ca.key")
    with pytest.raises(InvalidInput, match="PEM"), WebServer(lakes, wrong):
        pass


# -- Who leaves.


def counted(running: BackgroundServer) -> dict[tuple[str, str], float]:
    """How many calls of each method ended how, as the server counts."""
    assert running.metrics_address is not None
    with urlopen(f"http://{running.metrics_address}/metrics", timeout=20) as said:
        lines = re.findall(
            r'saelake_calls_total\{code="(\w+)",method="(\w+)"\} (\S+)', said.read().decode()
        )
    return {(method, code): float(n) for code, method, n in lines}


def test_a_browser_that_leaves_ends_what_was_computed_for_it(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for, may_go_on = threading.Event(), threading.Event()
    usual = Engine.ask

    def slow(engine: Engine, request: Request) -> pa.RecordBatchReader:
        asked_for.set()
        may_go_on.wait(60)
        monkeypatch.undo()
        return usual(engine, request)

    telemetry = Telemetry(metrics=Address(port=0))
    with door(made, telemetry=telemetry) as running:
        answer_with(monkeypatch, TokensQuery, slow)
        leaving = connection(at_door(running))
        leaving.request("GET", ASKED)
        assert asked_for.wait(30)
        assert counted(running).get(("Tokens", "CANCELLED"), 0) == 0
        leaving.close()
        try:
            until = time.monotonic() + 30
            while counted(running).get(("Tokens", "CANCELLED"), 0) == 0:
                assert time.monotonic() < until
                time.sleep(0.05)
        finally:
            may_go_on.set()
        assert question(at_door(running), "tokens", collection=NAME, expression=3).status == 200


# -- As programs.


@dataclass
class Program:
    """A command that serves, in a process of its own."""

    process: "subprocess.Popen[str]"
    said: list[str]

    @property
    def url(self) -> str:
        """The page's address, as it was said."""
        found = re.search(r"https?://\S+/", "".join(self.said))
        assert found is not None, self.said
        return found[0]

    def ended(self, number: int) -> tuple[int, str]:
        """How it ended by this signal, and what it said at last."""
        self.process.send_signal(number)
        _, rest = self.process.communicate(timeout=60)
        return self.process.returncode, rest


@contextmanager
def running(
    *arguments: str, n_lines: int = 1, code: str = "", **variables: str
) -> Iterator[Program]:
    """A command that has said so many lines."""
    command = [sys.executable, "-c", code] if code else PROGRAM
    with subprocess.Popen(
        [*command, *arguments], stderr=subprocess.PIPE, text=True, env=environment(**variables)
    ) as process:
        assert process.stderr is not None
        try:
            yield Program(process, [process.stderr.readline() for _ in range(n_lines)])
        finally:
            if process.poll() is None:
                process.kill()


def answered(url: str, path: str = ASKED) -> int:
    """The status of an answer from a program that may just begin."""
    until = time.monotonic() + 30
    while True:
        try:
            return call(url, path).status
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_page_is_shown_until_it_is_told_to_stop(made: MadeLake, number: int) -> None:
    with running("page", "--lake", made.lake.uri, "--port", "0", "--no-open") as shown:
        assert shown.said[0].startswith("Look at http://127.0.0.1:")
        assert answered(shown.url) == 200
        assert answered(shown.url, "/") == 200
        assert shown.ended(number) == (0, "")


@pytest.mark.slow
def test_a_page_is_of_a_state(made: MadeLake) -> None:
    state = Engine(made.lake.uri).version().state
    options = ("--port", "0", "--no-open", "--at", state)
    with running("page", "--lake", made.lake.uri, *options) as shown:
        assert answered(shown.url) == 200
        assert shown.ended(signal.SIGTERM) == (0, "")
    none = run("page", "--lake", made.lake.uri, "--port", "0", "--no-open", "--at", "no-tag")
    assert none.code == 1 or none.code == 2
    assert "no-tag" in none.err


def test_a_page_of_a_server_has_its_owners_token(made: MadeLake, tmp_path: Path) -> None:
    (file := tmp_path / "token").write_text(f"{TOKEN}\n")
    settings = ServerSettings(
        uri=made.lake.uri, address=Address(port=0), access=Access(token=TOKEN)
    )
    options = ("--port", "0", "--no-open", "--token-file", str(file))
    with BackgroundServer(settings) as server:
        with running("page", "--server", str(server.address), *options) as shown:
            assert answered(shown.url) == 200
            assert shown.ended(signal.SIGINT) == (0, "")
        with running("page", "--server", str(server.address), *options[:3]) as shown:
            assert answered(shown.url) == 401
            assert shown.ended(signal.SIGTERM) == (0, "")


def test_a_page_by_certificates_asks_for_them_of_its_own_server(
    made: MadeLake, certificates: Path
) -> None:
    access = Access(client_ca=certificates / "ca.pem", **pair_of(certificates, "server"))
    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0), access=access)
    with BackgroundServer(settings) as server:
        mine = pair_of(certificates, "client")
        files = ("--ca", str(certificates / "ca.pem"), "--cert", str(mine["certificate"]))
        target = f"localhost:{server.address.port}"
        options = (*files, "--key", str(mine["key"]), "--port", "0", "--no-open")
        with running("page", "--server", target, *options) as shown:
            assert answered(shown.url) == 200


def test_what_cannot_be_shown_is_said_in_a_line(made: MadeLake) -> None:
    with door(made) as server:
        port = str(server.door_addresses[0].port)
        for arguments, said in (
            (("--lake", made.lake.uri, "--port", port), "--port"),
            (("--server", "localhost:1", "--port", port), "--port"),
            (("--lake", "a", "--server", "b:1"), "--server"),
            (
                (
                    "--lake",
                    "no/such/lake",
                ),
                "no/such/lake",
            ),
            (("--server", "localhost:1", "--token-file", "no-file"), "no-file"),
            (("--server", "localhost:1", "--cert", "no-cert", "--key", "none"), "no-cert"),
        ):
            ran = run("page", "--no-open", *arguments)
            assert (ran.code, ran.err.count("\n")) in ((1, 1), (2, 1)), ran
            assert said in ran.err


def test_a_server_says_where_its_page_is_and_lets_answers_end(made: MadeLake) -> None:
    options = ("serve", "--lake", made.lake.uri, "--port", "0", "--http", "0")
    with running(*options, n_lines=2, code=SLOW) as serving:
        assert "Its page is http://127.0.0.1:" in serving.said[1]
        url = "http" + serving.said[1].strip().removesuffix(".").partition("http")[2]
        status: list[int] = []
        asking = threading.Thread(target=lambda: status.append(answered(url)))
        asking.start()
        time.sleep(1.0)
        assert serving.ended(signal.SIGTERM) == (0, "")
        asking.join(30)
        assert status == [200]


@pytest.mark.skipif(sys.platform != "linux", reason="processes share ports on Linux")
def test_several_processes_share_the_page(made: MadeLake) -> None:
    options = ("serve", "--lake", made.lake.uri, "--port", "0", "--http", "0", "--processes", "2")
    with running(*options, n_lines=2) as serving:
        url = "http" + serving.said[1].strip().removesuffix(".").partition("http")[2]
        assert {answered(url) for _ in range(12)} == {200}
        assert serving.ended(signal.SIGTERM) == (0, "")


def test_a_server_by_its_file_and_by_variables(made: MadeLake, tmp_path: Path) -> None:
    (file := tmp_path / "serve.toml").write_text('http = "0"\nhttp-host = ["lake.example"]\n')
    options = ("serve", "--lake", made.lake.uri, "--port", "0", "--config", str(file))
    with running(*options, n_lines=2) as serving:
        url = "http" + serving.said[1].strip().removesuffix(".").partition("http")[2]
        assert call(url, "/api/v1/version", Host="lake.example").status == 200
        assert call(url, "/api/v1/version", Host="evil.example").status == 403
    printed = run("serve", "--print-config", "--http", "9").out
    assert 'http = "9"' in printed
    alone = run("serve", "--http-host", "x")
    assert (alone.code, "--http too" in alone.err) == (2, True)
