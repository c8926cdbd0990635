"""Processes that compute answers: they end with who waits, and take nobody along."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing

import pyarrow as pa
import pytest

from saelake.store.engine import Engine
from saelake.store.errors import Crashed, LimitExceeded, NotFound
from saelake.store.requests.checks import Selection
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.request import Request
from saelake.store.service.lanes.asking import Asking
from saelake.store.service.lanes.child import Defect
from saelake.store.service.lanes.children import ChildLane, ChildRoom
from saelake.store.service.lanes.parcels import ChildSettings
from saelake.store.wire import frames
from tests.lakes import MadeLake, make_lake
from tests.store.service.lanes.orders import (
    Dying,
    Failing,
    Flowing,
    Growing,
    Looking,
    Spinning,
    is_alive,
    works,
)

NAME = "made/random"
INFO = InfoQuery()
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc says what processes do")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("apart") / "lake", n_documents=60)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as found:
        yield found


@pytest.fixture(scope="module")
def lane(made: MadeLake, runner: asyncio.Runner) -> Iterator[ChildLane]:
    settings = ChildSettings(uri=made.lake.uri, kept_bytes=1 << 24)
    room = ChildRoom(n_kept=2, kept_bytes=1 << 30, most_bytes=1 << 30, stop_s=0.3)
    found = ChildLane(settings, room)
    yield found
    pids = found.pids
    runner.run(found.close())
    assert not any(map(is_alive, pids)), "no process outlives its lane"


async def answer(lane: ChildLane, asking: Asking) -> pa.Table:
    async with aclosing(lane.answer(lambda: asking, "me")) as found:
        pieces = [part async for part in found if isinstance(part, bytes)]
        return frames.answer(pieces).read_all()


async def working(lane: ChildLane, asking: Asking) -> "tuple[asyncio.Task[pa.Table], int]":
    """The asking of a question, and the process that works at it."""
    asked = asyncio.create_task(answer(lane, asking))
    while not (at_work := [pid for pid in lane.pids if await asyncio.to_thread(works, pid)]):
        assert not asked.done()
        await asyncio.sleep(0.02)
    return asked, at_work[0]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "request_",
    [INFO, CodesQuery(collection=NAME), CorrelateQuery(a=Selection(collection=NAME), min_npmi=-1)],
    ids=lambda request: request.question,
)
def test_a_process_answers_as_the_engine_does(
    made: MadeLake, lane: ChildLane, runner: asyncio.Runner, request_: Request
) -> None:
    async def test() -> None:
        expected = Engine(made.lake.uri).ask(request_).read_all()
        assert (await answer(lane, Asking(request=request_))).equals(expected)
        assert (await answer(lane, Asking(request=request_))).equals(expected)

    runner.run(test())


def test_errors_arrive_as_they_were_raised_and_the_process_answers_on(
    lane: ChildLane, runner: asyncio.Runner
) -> None:
    async def test() -> None:
        with pytest.raises(NotFound, match="no such thing: é") as caught:
            await answer(lane, Failing(request=INFO, is_meant=True))
        assert caught.value.data == {"feature": "3"}
        pids = lane.pids
        with pytest.raises(Defect, match="ZeroDivisionError: a secret"):
            await answer(lane, Failing(request=INFO, is_meant=False))
        assert (await answer(lane, Asking(request=INFO))).num_rows == 1
        assert pids <= lane.pids

    runner.run(test())


def test_computing_that_never_looks_ends_with_who_waits(
    lane: ChildLane, runner: asyncio.Runner
) -> None:
    async def test() -> None:
        asked, pid = await working(lane, Spinning(request=INFO))
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await until(lambda: not is_alive(pid))
        assert (await answer(lane, Asking(request=INFO))).num_rows == 1

    runner.run(test())


def test_computing_that_looks_ends_and_its_process_answers_on(
    lane: ChildLane, runner: asyncio.Runner
) -> None:
    async def test() -> None:
        asked, pid = await working(lane, Looking(request=INFO))
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert not await asyncio.to_thread(works, pid)
        assert is_alive(pid)
        assert (await answer(lane, Asking(request=INFO))).num_rows == 1

    runner.run(test())


def test_an_answer_that_is_not_read_on_ends(lane: ChildLane, runner: asyncio.Runner) -> None:
    async def test() -> None:
        for _ in range(3):
            async with aclosing(lane.answer(lambda: Flowing(request=INFO), "me")) as found:
                assert len([await anext(found) for _ in range(5)]) == 5
        await until(lambda: len(lane.pids) > 1)
        assert not any([await asyncio.to_thread(works, pid) for pid in lane.pids])
        assert (await answer(lane, Asking(request=INFO))).num_rows == 1

    runner.run(test())


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSEGV], ids=lambda by: by.name)
def test_a_process_that_dies_costs_its_own_answer_only(
    lane: ChildLane, runner: asyncio.Runner, by: int
) -> None:
    async def test() -> None:
        async with aclosing(lane.answer(lambda: Flowing(request=INFO), "me")) as other:
            await anext(other)
            with pytest.raises(Crashed, match=signal.Signals(by).name) as caught:
                await answer(lane, Dying(request=INFO, by=by))
            assert caught.value.data["ended"].startswith(signal.Signals(by).name)
            for _ in range(10):
                await anext(other)
        assert (await answer(lane, Asking(request=INFO))).num_rows == 1

    runner.run(test())


def test_an_answer_that_takes_too_much_memory_is_ended(
    lane: ChildLane, runner: asyncio.Runner
) -> None:
    async def test() -> None:
        with pytest.raises(LimitExceeded, match="more than the 1,024 MiB"):
            await answer(lane, Growing(request=INFO))
        assert (await answer(lane, Asking(request=INFO))).num_rows == 1

    runner.run(test())


def test_a_spare_that_was_killed_meanwhile_is_not_asked(
    lane: ChildLane, runner: asyncio.Runner
) -> None:
    async def test() -> None:
        assert (await answer(lane, Asking(request=INFO))).num_rows == 1
        await until(lambda: len(lane.pids) > 1)
        killed = lane.pids
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not any(map(is_alive, killed)))
        await asyncio.sleep(0.2)  # until the loop has heard of it
        assert (await answer(lane, Asking(request=INFO))).num_rows == 1

    runner.run(test())


def test_answers_are_computed_at_once(lane: ChildLane, runner: asyncio.Runner) -> None:
    async def test() -> None:
        asked, _ = await working(lane, Looking(request=INFO))
        assert (await answer(lane, Asking(request=INFO))).num_rows == 1
        assert not asked.done()
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)

    runner.run(test())
