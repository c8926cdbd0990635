"""Questions on real Ray clusters, of which machines are killed and join while they are asked."""

import operator
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import saelake
from saelake.store.engine import Engine
from saelake.store.errors import AwaitsRoom, InvalidInput, NotFound, Unavailable
from saelake.store.growth import impacts
from saelake.store.index import owned_blocks
from saelake.store.query.parts import nearest
from saelake.store.requests.checks import Selection
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.request import Request
from saelake.store.requests.similar import SimilarQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.snapshot import part
from saelake.workers.fleet.ray_cluster import RayCluster
from tests.lakes import MadeLake, add_documents, make_lake
from tests.system.machines import Machines

pytest.importorskip("ray")
from saelake.workers.ray import owners as ray_owners
from saelake.workers.ray import session as ray_session
from saelake.workers.ray.owners import RayOwners  # it needs Ray
from saelake.workers.ray.session import RaySession

pytestmark = [
    pytest.mark.cluster,
    # Ray leaves sockets and files to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

COLLECTION = "made/random"
POS = Selection(collection=COLLECTION, where="label = 'pos'")
NEG = Selection(collection=COLLECTION, where="label = 'neg'")
QUESTIONS: list[Request] = [
    TokensQuery(collection=COLLECTION, expression="3 | 5"),
    TokensQuery(collection=COLLECTION, expression="1 & 2", where="label = 'pos'"),
    SimilarQuery(collection=COLLECTION, docs=(3,)),
    SimilarQuery(collection=COLLECTION, docs=(3, 4), pooling="sum", exact=True),
    DiffQuery(a=POS, others=(NEG,)),
    DiffQuery(a=POS, others=(NEG,), unit="token"),
    CorrelateQuery(a=POS, min_npmi=-1, min_documents=1),
]
ONE = RayCluster(address="local", workers=1, cpus_per_worker=1)
TWO = RayCluster(address="local", workers=2, cpus_per_worker=1)
PATIENCE_S = 120
UNDER_LOAD_S = 3.0


@pytest.fixture(scope="module", autouse=True)
def many_pieces() -> Iterator[None]:
    """Small lakes are asked for as large ones are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part, "LEAST_SEGMENTS", 1)
        patch.setattr(part, "SEGMENTS_AT_ONCE", 1)
        patch.setattr(part, "UNINDEXED_BYTES", 1)
        patch.setattr(owned_blocks, "LEAST_BLOCKS", 1)
        patch.setattr(impacts, "LEAST_DOCUMENTS", 1)
        patch.setattr(nearest, "EXHAUSTIVE", 1e9)
        patch.setattr("saelake.store.codes.executor.pieces.__defaults__", (1, float("inf"), ()))
        yield


@pytest.fixture
def made(tmp_path: Path) -> MadeLake:
    return make_lake(tmp_path / "lake", n_documents=80, n_fragments=8, n_indexed=6)


def answers(engine: Engine) -> list[pa.Table]:
    return [engine.ask(question).read_all() for question in QUESTIONS]


def until(done: Callable[[], bool]) -> None:
    patience = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < patience
        time.sleep(0.1)


def missing(piece: int) -> int:
    if piece == 3:
        raise NotFound("There is no piece 3.", piece=piece)
    return piece


def napping(piece: int) -> int:
    time.sleep(0.05)
    return piece


@dataclass(frozen=True)
class OfAnotherVersion:
    """Work that is known here, and not there."""

    def __call__(self, piece: int) -> int:
        return piece

    def __reduce__(self) -> Any:
        return operator.attrgetter("version_of_tomorrow"), (operator,)


def test_what_has_no_room_beside_owners_says_so(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_session, "ROOM_S", 2.0)
    with saelake.connect(made.lake.uri, ray=TWO) as lake:
        n_found = len(lake[COLLECTION].tokens(3))
        with pytest.raises(Unavailable, match=r"0 CPUs .* close it first"):
            lake.index(COLLECTION, cluster=TWO)
        with pytest.warns(AwaitsRoom, match="Work begins as soon as there is room"):
            RaySession(RayCluster(cpus_per_worker=1)).await_room()
        assert len(lake[COLLECTION].tokens(3)) == n_found
    with saelake.connect(made.lake.uri) as lake:
        lake.index(COLLECTION, cluster=TWO)  # room again


def test_owners_work_in_order_within_bounds_though_they_die(tmp_path: Path) -> None:
    with RayOwners(TWO).open() as owners:
        assert list(owners.map(lambda i: i * i, range(9))) == [i * i for i in range(9)]
        assert list(owners.map(lambda i: i * i, (i for i in range(9)))) == [i * i for i in range(9)]
        assert list(owners.map(missing, [])) == []
        found = owners.map(missing, range(9))
        assert [next(found) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(NotFound, match="no piece 3") as caught:
            next(found)
        assert caught.value.data == {"piece": "3"}

        begun: list[int] = []
        until(lambda: owners.n_ready == 2)
        napped = owners.map(napping, (begun.append(i) or i for i in range(40)))  # type: ignore[func-returns-value]
        most = ray_owners.QUEUED * 2
        for n_merged, piece in enumerate(napped):
            assert piece == n_merged
            assert len(begun) <= n_merged + 1 + most
            assert all(n <= ray_owners.QUEUED for n in owners._calls.values())
            if n_merged == 10:
                break
        napped.close()  # type: ignore[attr-defined]
        assert len(begun) <= 11 + most

        died = tmp_path / "died"

        def deadly(piece: int) -> int:
            if piece == 4 and not died.exists():
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return piece

        assert list(owners.map(deadly, range(9))) == list(range(9))
        assert died.exists()
        with pytest.raises(Unavailable, match=r"tried 4 times .* its actor died each time"):
            list(owners.map(lambda _: os.kill(os.getpid(), signal.SIGKILL), [0]))
        with pytest.raises(Unavailable, match="Install one version of saelake on all machines"):
            list(owners.map(OfAnotherVersion(), [0]))
        assert list(owners.map(napping, range(5))) == list(range(5))
        until(lambda: owners.n_ready == 2)
    # What lets go of something of Ray's beside its shutdown ends the process.
    assert "saelake-owners" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(Unavailable, match="was closed"):
        list(owners.map(napping, range(3)))
    owners.close()


def test_a_server_with_owners_and_two_lakes_answer_as_one_process(made: MadeLake) -> None:
    expected = answers(Engine(made.lake.uri))
    folder = Path(made.lake.uri)
    before = Path.cwd()
    os.chdir(folder.parent)  # where actors are not
    try:
        with saelake.connect(folder.name, ray=ONE) as lake:
            assert answers(lake.transport) == expected  # type: ignore[arg-type]
            executor = RayOwners(ONE).open()  # by the connection that this process has
            settings = ServerSettings(uri=folder.name, address=Address(port=0), executor=executor)
            with BackgroundServer(settings) as server, saelake.connect(server.target) as remote:
                assert answers(remote.transport) == expected  # type: ignore[arg-type]
            assert executor.n_ready == 0, "the server is gone, and its actors stayed"
            assert answers(lake.transport) == expected  # type: ignore[arg-type]
    finally:
        os.chdir(before)


def test_what_cannot_be_is_refused(made: MadeLake) -> None:
    with pytest.raises(InvalidInput, match="A server answers with the cluster that it was started"):
        saelake.connect("grpc://localhost:1", ray="auto")
    with pytest.raises(InvalidInput, match="give ray too"):
        saelake.connect(made.lake.uri, ray_memory_bytes=5)
    with pytest.raises(InvalidInput, match="not 'here'"):
        saelake.connect(made.lake.uri, ray="here")
    with pytest.raises(Unavailable, match=r"No Ray cluster answers at '127.0.0.1:9'"):
        saelake.connect(made.lake.uri, ray="127.0.0.1:9")


@pytest.mark.slow
def test_machines_that_are_killed_and_join_under_load_change_no_answer(made: MadeLake) -> None:
    expected = answers(Engine(made.lake.uri))
    machines = Machines()
    try:
        first, _ = machines.add(), machines.add()
        cluster = RayCluster(address=machines.room(1).address, cpus_per_worker=1)
        with RayOwners(cluster).open() as owners:
            until(lambda: owners.n_ready == 2)
            engine = Engine(made.lake.uri, executor=owners)
            assert answers(engine) == expected
            stop = threading.Event()
            with ThreadPoolExecutor(3) as pool:
                asking = [pool.submit(_ask_on, engine, expected, stop) for _ in range(3)]
                try:
                    time.sleep(UNDER_LOAD_S)
                    machines.kill(first)
                    until(lambda: owners.n_ready == 1)
                    time.sleep(UNDER_LOAD_S)
                    machines.add()
                    until(lambda: owners.n_ready == 2)
                    time.sleep(UNDER_LOAD_S)
                finally:
                    stop.set()
                n_asked = sum(each.result() for each in asking)
            assert n_asked > 3
            add_documents(made, 9)
            grown = Engine(made.lake.uri, executor=owners)
            assert answers(grown) == answers(Engine(made.lake.uri)) != expected
    finally:
        machines.close()


def _ask_on(engine: Engine, expected: list[pa.Table], stop: threading.Event) -> int:
    """How often all questions were asked until the end, and answered as expected."""
    n = 0
    while not stop.is_set():
        assert answers(engine) == expected
        n += 1
    return n
