"""What takes no time is answered where it came; what would wait, or takes long, goes to threads."""

import asyncio
import time
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path

import pytest

from saelake.store.engine import Engine
from saelake.store.requests.request import Request
from saelake.store.requests.tokens import TokensQuery
from saelake.store.requests.waited.waiting import WouldWait, wait
from saelake.store.service.lanes.asking import Asking
from saelake.store.service.lanes.quickness import QUICK_S, Quickness
from saelake.store.service.lanes.threads import ThreadLane
from saelake.store.wire import frames
from tests.lakes import add_documents, make_lake

KIND = "tokens of a feature"
MOST_TIMES = 50  # until all that a question reads is in memory


@pytest.fixture
def any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long an answer takes here, it is quick where it does not wait."""
    monkeypatch.setattr("saelake.store.service.lanes.quickness.QUICK_S", 60.0)


def lane_of(engine: Engine) -> ThreadLane:
    return ThreadLane(engine, 2, 1.0)


async def answered(lane: ThreadLane, request: Request, kind: Hashable | None) -> bytes:
    parts = lane.answer(lambda: Asking(request=request), "anyone", kind=kind)
    return b"".join([part async for part in parts if isinstance(part, bytes)])


def asked_of(collection: str, feature: int, k: int | None = 5) -> TokensQuery:
    return TokensQuery(collection=collection, expression=str(feature), k=k)


async def until_quick(lane: ThreadLane, request: Request) -> None:
    """Ask until a lane needs no thread for this."""
    for _ in range(MOST_TIMES):
        await answered(lane, request, KIND)
        if lane._quickness.has(KIND):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it is never quick")


def rows(sent: bytes) -> object:
    return frames.answer([sent]).read_all().to_pylist()


@pytest.mark.usefixtures("any_machine")
def test_a_question_whose_last_was_quick_needs_no_thread(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=30, n_indexed=3)
    engine = Engine(made.lake.uri)

    async def ask() -> None:
        lane = lane_of(engine)
        request = asked_of(str(made.name), 1)
        await until_quick(lane, request)
        await lane.close()  # there are no threads from here on
        sent = await answered(lane, request, KIND)
        assert rows(sent) == engine.ask(request).read_all().to_pylist()
        with pytest.raises(RuntimeError, match="shutdown"):
            await answered(lane, request, "another kind")
        with pytest.raises(RuntimeError, match="shutdown"):
            await answered(lane, request, None)

    asyncio.run(ask())
    engine.close()


@pytest.mark.usefixtures("any_machine")
def test_what_must_be_read_again_is_read_in_a_thread(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=30, n_indexed=3)
    engine = Engine(made.lake.uri)

    async def ask() -> None:
        lane = lane_of(engine)
        request = asked_of(str(made.name), 1, None)
        await until_quick(lane, request)
        grown = add_documents(made, 20)
        await asyncio.sleep(1.1)  # what is known is too old now
        found = rows(await answered(lane, request, KIND))
        newest = Engine(grown.lake.uri)
        assert found == newest.ask(request).read_all().to_pylist()
        newest.close()

    asyncio.run(ask())
    engine.close()


@pytest.mark.usefixtures("any_machine")
def test_a_large_answer_goes_on_in_threads(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=400, n_indexed=3)
    engine = Engine(made.lake.uri)
    request = TokensQuery(
        collection=str(made.name), expression="1", k=None, per="token", context=10_000
    )

    async def ask() -> None:
        lane = lane_of(engine)
        await until_quick(lane, asked_of(str(made.name), 1))
        sent = await answered(lane, request, KIND)
        assert rows(sent) == engine.ask(request).read_all().to_pylist()

    asyncio.run(ask())
    engine.close()


def test_a_kind_that_took_long_is_not_quick() -> None:
    quickness = Quickness()
    with quickness.measuring("a", may_wait=True):
        pass
    assert quickness.has("a")
    with quickness.measuring("a", may_wait=False):
        until = time.thread_time() + 2 * QUICK_S
        while time.thread_time() < until:
            pass
    assert not quickness.has("a")


def test_a_kind_that_waited_is_not_quick() -> None:
    quickness = Quickness()
    with quickness.measuring("a", may_wait=True):
        wait()
    assert not quickness.has("a")
    with quickness.measuring("a", may_wait=True):
        pass
    with suppress(WouldWait), quickness.measuring("a", may_wait=False):
        wait()
    assert not quickness.has("a")


def test_questions_of_no_kind_are_never_quick() -> None:
    quickness = Quickness()
    with quickness.measuring(None, may_wait=True):
        pass
    assert not quickness.has(None)


def test_so_many_kinds_are_known_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saelake.store.service.lanes.quickness.MOST_KINDS", 2)
    quickness = Quickness()
    for kind in range(3):
        with quickness.measuring(kind, may_wait=True):
            pass
    assert [quickness.has(kind) for kind in range(3)] == [False, True, True]
