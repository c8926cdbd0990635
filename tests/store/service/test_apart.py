"""A server whose analyses and exports are computed apart: they end with their callers."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

import saelake
from saelake.store.errors import Crashed, DeadlineExceeded, LimitExceeded
from saelake.store.requests.checks import Selection
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.request import Request
from saelake.store.service import rpc
from saelake.store.service.lanes.asking import Asking
from saelake.store.service.limits import Limits
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.wire.requests import to_message
from saelake.texts import model_texts
from tests.encoded import NAME as WORDS
from tests.encoded import make_encoded_lake
from tests.lakes import MadeLake, make_lake
from tests.store.service.lanes.orders import Flowing, Spinning, is_alive

NAME = "made/random"
ASK = "import sys, saelake; saelake.connect(sys.argv[1])['made/random'].correlate()"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc says what processes do")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("apart") / "lake", n_documents=60)


def server(made: MadeLake, **limits: Any) -> BackgroundServer:
    return BackgroundServer(
        ServerSettings(
            uri=made.lake.uri,
            address=Address(port=0),
            limits=Limits(**({"stop_s": 0.3} | limits)),
            apart=True,
        )
    )


def ask_in_place(
    monkeypatch: pytest.MonkeyPatch, kind: type[Request], other: Callable[..., Asking]
) -> None:
    """Let processes do something else for questions of a kind."""

    def asking(request: Request, at: str | None) -> Asking:
        return (other if isinstance(request, kind) else Asking)(request=request, at=at)

    monkeypatch.setattr(rpc, "Asking", asking)


class Told:
    """Which processes began to compute without an end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self) -> list[int]:
        return [int(place.name) for place in self._folder.iterdir()]


@pytest.fixture
def spinning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Told:
    """Correlations compute without an end."""
    ask_in_place(monkeypatch, CorrelateQuery, partial(Spinning, tell=tmp_path))
    return Told(tmp_path)


def wait_for(holds: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)
    return found


def children() -> list[int]:
    """The processes that compute for servers of this one."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            command = (place / "cmdline").read_text()
        except OSError:
            continue
        if parent == os.getpid() and "lanes.start" in command and is_alive(int(place.name)):
            found.append(int(place.name))
    return found


def ended(pids: list[int]) -> bool:
    return not any(map(is_alive, pids))


@pytest.fixture(autouse=True)
def none_is_left() -> Iterator[None]:
    yield
    assert children() == []


def test_computing_ends_at_the_server_s_deadline(made: MadeLake, spinning: Told) -> None:
    with server(made, analysis_s=5.0) as running, saelake.connect(running.target) as lake:
        lake[NAME].codes().read_all()  # a process is there, however long it took to start
        failed: list[Exception] = []

        def ask() -> None:
            try:
                lake[NAME].correlate()
            except DeadlineExceeded as error:
                failed.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        pids = wait_for(spinning)
        asking.join()
        wait_for(lambda: ended(pids))
        assert "5 s that this server allows" in str(failed[0])
        assert lake[NAME].codes().read_all().num_rows == len(made.codes)


def test_computing_ends_when_its_call_is_cancelled(made: MadeLake, spinning: Told) -> None:
    message = to_message(CorrelateQuery(a=Selection(collection=NAME)))
    with server(made) as running, grpc.insecure_channel(str(running.address)) as channel:
        ask = channel.unary_stream(
            "/saelake.v1.Lake/Correlate", request_serializer=type(message).SerializeToString
        )
        call = ask(message)
        pids = wait_for(spinning)
        call.cancel()
        wait_for(lambda: ended(pids))


def test_computing_ends_when_its_caller_vanishes(made: MadeLake, spinning: Told) -> None:
    with server(made) as running:
        caller = subprocess.Popen([sys.executable, "-c", ASK, running.target])
        pids = wait_for(spinning)
        caller.kill()
        caller.wait()
        wait_for(lambda: ended(pids))


def test_short_questions_are_answered_beside_analyses_that_do_not_end(
    made: MadeLake, spinning: Told
) -> None:
    with server(made) as running, saelake.connect(running.target) as lake:
        callers = [subprocess.Popen([sys.executable, "-c", ASK, running.target]) for _ in range(4)]
        wait_for(lambda: len(spinning()) == 2)  # the most that one caller has
        assert lake[NAME].tokens(3, k=2)
        for caller in callers:
            caller.kill()
            caller.wait()
        wait_for(lambda: ended(spinning()))


def test_a_process_that_is_killed_costs_its_own_answer_only(made: MadeLake, spinning: Told) -> None:
    with server(made) as running, saelake.connect(running.target) as lake:
        failed: list[Exception] = []

        def ask() -> None:
            try:
                lake[NAME].correlate()
            except Crashed as error:
                failed.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        (victim,) = wait_for(spinning)
        rows = lake[NAME].codes()
        os.kill(victim, signal.SIGKILL)
        asking.join()
        assert "SIGKILL, as when memory runs out" in str(failed[0])
        assert spinning() == [victim], "what ended a process is not asked again"
        assert rows.read_all().num_rows == len(made.codes)
        assert lake[NAME].where("label = 'pos'").diff(lake[NAME].where("label = 'neg'"))


def test_analyses_are_answered_after_a_text_was_read(tmp_path: Path) -> None:
    made = make_encoded_lake(tmp_path)
    settings = ServerSettings(
        uri=made.lake.uri, address=Address(port=0), texts=model_texts(), apart=True
    )
    with BackgroundServer(settings) as running, saelake.connect(running.target) as lake:
        collection = lake[str(WORDS)]
        assert collection.similar("w1 w2 w3", k=2)
        with ThreadPoolExecutor() as pool:  # more than one process at once
            asked = [pool.submit(collection.correlate, min_npmi=-1) for _ in range(2)]
        first, second = (each.result() for each in asked)
        assert first == second


def test_exports_of_one_caller_leave_room_for_another(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def asker(_: object) -> str:
        asked.append("greedy" if len(asked) < 64 else "other")
        return asked[-1]

    monkeypatch.setattr(rpc, "asker_of", asker)
    ask_in_place(monkeypatch, CodesQuery, Flowing)
    message = to_message(CodesQuery(collection=NAME))
    with (
        server(made, exports=2, waiting=200, wait_s=60.0) as running,
        grpc.insecure_channel(str(running.address)) as channel,
    ):
        ask = channel.unary_stream(
            "/saelake.v1.Lake/Codes", request_serializer=type(message).SerializeToString
        )
        greedy = [ask(message) for _ in range(64)]
        wait_for(lambda: len(asked) == 64)
        other = ask(message)
        assert next(other)
        for call in (*greedy, other):
            call.cancel()


def test_an_export_that_nobody_reads_gives_its_place_back(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_in_place(monkeypatch, CodesQuery, Flowing)
    with server(made, exports=1, idle_s=0.5) as running, saelake.connect(running.target) as lake:
        unread = lake[NAME].codes()
        unread.read_next_batch()
        read = lake[NAME].codes()  # waits for the only place
        read.read_next_batch()
        with pytest.raises(DeadlineExceeded, match=r"Nobody read this answer for the 0\.5 s"):
            unread.read_all()
        del read


def test_those_who_wait_too_long_for_a_place_are_refused(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_in_place(monkeypatch, CodesQuery, Flowing)
    with server(made, exports=1, wait_s=0.3) as running, saelake.connect(running.target) as lake:
        unread = lake[NAME].codes()
        unread.read_next_batch()
        with pytest.raises(LimitExceeded, match="Ask again in") as caught:
            lake[NAME].codes()
        assert float(caught.value.data["retry_after_s"]) >= 1
        del unread
