"""Lakes whose questions are awaited: what they give, and what a cancelled task ends."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread, current_thread

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import saelake
from saelake import aio
from saelake.aio.replay import Awaited, Replay
from saelake.aio.transports import InThreads
from saelake.store.engine import Engine
from saelake.store.errors import (
    Conflict,
    DeadlineExceeded,
    InvalidExpression,
    InvalidInput,
    NotFound,
    Unavailable,
)
from saelake.store.reports import ServerVersion
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.request import Request
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests import awaited
from tests.lakes import MadeLake, make_lake
from tests.served import ALL
from tests.store.service.answering import answer_with

NAME = "made/random"
Asking = Callable[[aio.AsyncLake], Awaitable[object]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("awaited") / "lake", n_documents=60, seed=3)


@pytest.fixture(params=["embedded", "remote"])
def target(request: pytest.FixtureRequest, made: MadeLake) -> Iterator[str]:
    if request.param == "embedded":
        yield made.lake.uri
        return
    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0))
    with BackgroundServer(settings) as server:
        yield server.target


def run(target: str, asking: Asking) -> None:
    async def connected() -> None:
        async with aio.connect(target, retries=0) as lake:
            await asking(lake)

    asyncio.run(connected())


def test_the_file_of_awaited_faces_is_that_of_those_that_wait() -> None:
    assert awaited.FACES.read_text() == awaited.text(), "run python -m tests.awaited --write"


@pytest.mark.parametrize(
    ("waits", "is_awaited"),
    [
        (saelake.Collection, aio.AsyncCollection),
        (saelake.Dictionary, aio.AsyncDictionary),
    ],
)
def test_every_question_is_awaited_too(waits: type[object], is_awaited: type[object]) -> None:
    former = {"correlations", "clusters", "nearest"} | (
        {"features"} if "neighbors" in dir(waits) else set()
    )
    public = {name for name in dir(waits) if not name.startswith("_")}
    lacking = public - set(dir(is_awaited)) - former
    assert lacking <= {"activations", "selection"}


def test_many_questions_are_awaited_at_once(target: str, made: MadeLake) -> None:
    here = saelake.connect(made.lake.uri)[NAME]

    async def ask(lake: aio.AsyncLake) -> None:
        chosen = lake[NAME]
        features = list(range(12))
        found = await asyncio.gather(*(chosen.tokens(feature) for feature in features))
        assert found == [here.tokens(feature) for feature in features]
        pos, neg = chosen.where("label = 'pos'"), chosen.where("label = 'neg'")
        assert await pos.diff(neg) == here.where("label = 'pos'").diff(here.where("label = 'neg'"))
        assert await chosen.match(chosen, k=2) == here.match(here, k=2)
        assert await chosen.dictionary.labels() == here.dictionary.labels()
        assert await lake.collections() == [NAME]

    run(target, ask)


def test_jobs_are_started_watched_and_cancelled(made: MadeLake) -> None:
    async def ask(lake: aio.AsyncLake) -> None:
        started = [
            await lake.start_encode("made", dictionary="hf://owner/sae", model="m", job="a"),
            await lake.start_index(NAME, job="b"),
            await lake.start_embed("made", model="m", job="c"),
            await lake.start_label(NAME, job="d"),
            await lake.start_project(NAME, "features", seed=3, job="e"),
        ]
        kinds = ["encode", "index", "embed", "label", "project"]
        assert [(job.id, job.kind) for job in started] == list(zip("abcde", kinds, strict=True))
        assert (await lake.start_index(NAME, job="b")).id == "b", "again it is the one there is"
        assert [job.id for job in await lake.jobs()] == list("edcba")
        for job in reversed(started):
            await lake.cancel_job(job.id)
        for job in started:
            seen = [each async for each in lake.watch_job(job.id)]
            assert seen[-1].state == "cancelled"
        with pytest.raises(NotFound, match="no job 'f'"):
            await anext(lake.watch_job("f"))

    sleeps = (sys.executable, "-c", "import time; time.sleep(600)")
    settings = ServerSettings(
        uri=made.lake.uri,
        address=Address(port=0),
        allowed=replace(ALL, hub=True),
        job_program=sleeps,
    )
    with BackgroundServer(settings) as server:
        run(server.target, ask)

    async def here(lake: aio.AsyncLake) -> None:
        assert [job.state async for job in lake.watch_job("b")] == ["cancelled"]
        with pytest.raises(InvalidInput, match="nothing here that runs jobs"):
            await lake.start_label(NAME)
        with pytest.raises(InvalidInput, match="only be read"):
            await lake.as_of((await lake.version()).state).start_label(NAME)

    run(made.lake.uri, here)


def test_labels_are_written_too(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=20, seed=3)

    async def ask(lake: aio.AsyncLake) -> None:
        named = lake.dictionary("random")
        assert (await lake[NAME].label(3, "rain")).n_labels == 1
        assert (await named.set_labels({4: "snow", 5: "hail"})).n_labels == 2
        with pytest.raises(Conflict):
            await named.label(3, "sun", expect="wind")
        assert [row.label for row in await named.labels(features=[3, 4, 5])] == [
            "rain",
            "snow",
            "hail",
        ]
        assert (await named.delete_labels([4, 5])).n_labels == 2
        then = lake.as_of((await lake.version()).state)
        with pytest.raises(InvalidInput, match="can only be read"):
            await then[NAME].label(3, "sun")
        await named.delete_labels()

    run(made.lake.uri, ask)
    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0), allowed=ALL)
    with BackgroundServer(settings) as server:
        run(server.target, ask)


def test_a_lake_of_this_process_does_not_hold_up_the_loop_with_its_version(made: MadeLake) -> None:
    asked_by: list[Thread] = []

    class Watched(Engine):
        def version(self) -> ServerVersion:
            asked_by.append(current_thread())
            return super().version()

    asyncio.run(InThreads(Watched(made.lake.uri)).version())
    assert current_thread() not in asked_by
    assert len(asked_by) == 1


def test_what_is_exported_is_read_as_it_comes(target: str, made: MadeLake, tmp_path: Path) -> None:
    here = saelake.connect(made.lake.uri)[NAME]

    async def ask(lake: aio.AsyncLake) -> None:
        chosen = lake[NAME].where("label = 'pos'")
        batches = [batch async for batch in chosen.codes()]
        expected = here.where("label = 'pos'").codes().read_all()
        assert pa.Table.from_batches(batches).equals(expected)
        n = await chosen.export_codes(tmp_path / "codes.parquet")
        assert n == expected.num_rows == pq.read_metadata(tmp_path / "codes.parquet").num_rows
        path = tmp_path / "embeddings.npz"
        n = await chosen.export_embeddings(path)
        assert n == here.where("label = 'pos'").export_embeddings(path)
        for texts in (False, True):
            path, again = tmp_path / "vectors.jsonl", tmp_path / "again.jsonl"
            n = await chosen.export_vectors(path, texts=texts)
            assert n == here.where("label = 'pos'").export_vectors(again, texts=texts)
            assert path.read_text() == again.read_text()

    run(target, ask)


def test_errors_are_those_of_who_waits(target: str) -> None:
    async def ask(lake: aio.AsyncLake) -> None:
        with pytest.raises(InvalidExpression):
            await lake[NAME].tokens("1 &")
        with pytest.raises(NotFound):
            await lake["made/none"].tokens(1)
        with pytest.raises(NotFound):
            await anext(lake["made/none"].codes())

    run(target, ask)


def test_several_questions_see_one_state(target: str) -> None:
    async def ask(lake: aio.AsyncLake) -> None:
        found = await lake[NAME].tokens(3)
        assert found.state is not None
        then = lake.as_of(found.state)
        assert (await then[NAME].features()).state == found.state
        assert (await lake.version()).wire >= 2

    run(target, ask)


def endless(_: Engine, request: Request) -> pa.RecordBatchReader:
    """Batches without an end, each after a moment."""

    def batches() -> Iterator[pa.RecordBatch]:
        rows = pa.RecordBatch.from_pylist(
            [{"doc": 1}] * 100_000, schema=pa.schema({"doc": pa.int64()})
        )
        while True:
            time.sleep(0.01)
            yield rows

    return pa.RecordBatchReader.from_batches(pa.schema({"doc": pa.int64()}), batches())


def test_a_reader_that_leaves_ends_the_answer(
    monkeypatch: pytest.MonkeyPatch, target: str, tmp_path: Path
) -> None:
    answer_with(monkeypatch, CodesQuery, endless)

    async def ask(lake: aio.AsyncLake) -> None:
        batches = lake[NAME].codes()
        assert (await anext(batches)).num_rows
        await batches.aclose()  # type: ignore[attr-defined]
        export = asyncio.create_task(lake[NAME].export_codes(tmp_path / "codes.parquet"))
        await asyncio.sleep(0.3)
        export.cancel()
        with pytest.raises(asyncio.CancelledError):
            await export
        assert await lake.collections() == [NAME]

    run(target, ask)
    deadline = time.monotonic() + 30
    while any(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(tmp_path.iterdir())


def test_a_cancelled_task_ends_its_call_and_no_other(
    monkeypatch: pytest.MonkeyPatch, made: MadeLake
) -> None:
    goes_on = Event()

    def slow(engine: Engine, request: Request) -> pa.RecordBatchReader:
        goes_on.wait(30)
        return engine.ask(CodesQuery(collection=NAME))

    answer_with(monkeypatch, InfoQuery, slow)

    async def ask(lake: aio.AsyncLake) -> None:
        waiting = asyncio.create_task(lake.info())
        await asyncio.sleep(0.2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await lake.info()
        assert len(await lake[NAME].tokens(3))

    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0))
    with BackgroundServer(settings) as server:
        run(server.target, ask)
        goes_on.set()


def test_a_question_that_takes_too_long_is_said(
    monkeypatch: pytest.MonkeyPatch, made: MadeLake
) -> None:
    goes_on = Event()

    def slow(engine: Engine, request: Request) -> pa.RecordBatchReader:
        goes_on.wait(30)
        return engine.ask(CodesQuery(collection=NAME))

    answer_with(monkeypatch, InfoQuery, slow)

    async def ask(target: str) -> None:
        async with aio.connect(target, timeout_s=0.3) as lake:
            with pytest.raises(DeadlineExceeded):
                await lake.info()

    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0))
    with BackgroundServer(settings) as server:
        asyncio.run(ask(server.target))
        goes_on.set()


def test_a_server_that_stops_and_a_connection_that_is_closed_are_said(made: MadeLake) -> None:
    async def ask(server: BackgroundServer) -> None:
        lake = aio.connect(server.target, retries=1)
        await lake.info()
        await asyncio.to_thread(server.stop, 0)
        with pytest.raises(Unavailable, match="does not answer"):
            await lake.info()
        await lake.close()
        with pytest.raises(Unavailable, match="closed: connect again"):
            await lake.info()

    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0))
    with BackgroundServer(settings) as server:
        asyncio.run(ask(server))


def test_a_replay_gives_its_answers_in_turn_and_then_says_what_it_needs() -> None:
    rows = pa.table({"n": [1]})
    replay = Replay([rows])
    assert replay.ask(InfoQuery()).read_all().equals(rows)
    with pytest.raises(Awaited) as needed:
        replay.ask(InfoQuery())
    assert needed.value.asked == InfoQuery()


def test_a_feature_is_shown_as_where_nobody_waits(target: str, made: MadeLake) -> None:
    async def asking(lake: aio.AsyncLake) -> None:
        awaited_collection, waiting = lake[NAME], saelake.connect(made.lake.uri)[NAME]
        view = await awaited_collection.show(3, 4, context=30)
        assert view._repr_html_() == waiting.show(3, 4, context=30)._repr_html_()
        alone = (await awaited_collection.feature(3)).show()
        assert "COLLECTION.show(" in alone._repr_html_()
        found = await awaited_collection.features(3)
        assert "COLLECTION.show(" in found[0].show()._repr_html_()

    run(target, asking)


def test_clusters_of_an_awaited_collection_are_given_their_points(target: str) -> None:
    async def asking(lake: aio.AsyncLake) -> None:
        clusters = await lake[NAME].cluster(2)
        with pytest.raises(InvalidInput, match="awaited collection"):
            clusters.map()

    run(target, asking)
