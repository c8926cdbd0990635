"""Who listens to questions: in which thread, and what becomes of what he raises."""

import asyncio
from collections.abc import Iterator
from threading import Thread, current_thread

import pytest

import saelake
from saelake import aio
from saelake.store.errors import InvalidInput
from saelake.store.requests.waited.progress import Progress, listening, told
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests.lakes import MadeLake, make_lake

NAME = "made/random"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("listening") / "lake", n_documents=60, seed=3)


@pytest.fixture(params=["embedded", "remote"])
def target(request: pytest.FixtureRequest, made: MadeLake) -> Iterator[str]:
    if request.param == "embedded":
        yield made.lake.uri
        return
    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0))
    with BackgroundServer(settings) as server:
        yield server.target


def test_it_is_called_in_the_thread_that_asks(target: str) -> None:
    threads = set[Thread]()
    with saelake.connect(target) as lake, saelake.progress(lambda _: threads.add(current_thread())):
        lake[NAME].cluster(3)
    assert threads == {current_thread()}


def test_awaited_it_is_called_in_the_event_loop_before_the_answer_is_there(target: str) -> None:
    threads, heard = set[Thread](), list[Progress]()

    def listen(progress: Progress) -> None:
        threads.add(current_thread())
        heard.append(progress)

    async def ask() -> None:
        async with aio.connect(target) as lake:
            with saelake.progress(listen):
                await lake[NAME].cluster(3)
                assert heard[-1].stage == "placing documents"
                assert heard[-1].done == heard[-1].total

    asyncio.run(ask())
    assert threads == {current_thread()}


def test_questions_that_are_awaited_at_once_are_heard_apart(target: str) -> None:
    async def ask(lake: aio.AsyncLake, method: str) -> set[str]:
        heard = list[Progress]()
        with saelake.progress(heard.append, every_s=0):
            await getattr(lake[NAME], method)()
        return {told.stage for told in heard}

    async def both() -> tuple[set[str], set[str]]:
        async with aio.connect(target) as lake:
            return await asyncio.gather(ask(lake, "cluster"), ask(lake, "correlate"))

    cluster, correlate = asyncio.run(both())
    assert "placing documents" in cluster
    assert "placing documents" not in correlate


def fail(progress: Progress) -> None:
    raise KeyError(progress.stage)


def test_what_it_raises_is_raised_by_the_question(target: str) -> None:
    async def ask() -> None:
        async with aio.connect(target) as lake:
            with saelake.progress(fail):
                await lake[NAME].cluster(3)

    with saelake.connect(target) as lake:
        with saelake.progress(fail), pytest.raises(KeyError):
            lake[NAME].cluster(3)
        assert lake[NAME].cluster(3)
    with pytest.raises(KeyError):
        asyncio.run(ask())


def test_what_was_raised_of_the_last_piece_is_not_lost() -> None:
    async def work() -> None:
        with saelake.progress(fail):
            await asyncio.to_thread(lambda: list(told("adding", [], 0)))

    with pytest.raises(KeyError, match="adding"):
        asyncio.run(work())


@pytest.mark.parametrize("every_s", [-1, float("nan"), float("inf"), "1"])
def test_what_is_no_number_of_seconds_is_refused(every_s: float) -> None:
    with pytest.raises(InvalidInput, match="every_s"), saelake.progress(print, every_s=every_s):
        pass


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cannot be"), saelake.progress("bar"):  # type: ignore[arg-type]
        pass
    assert listening() is None
