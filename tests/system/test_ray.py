"""Encoding on real Ray clusters, of which machines and processes are killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from saelake.store.documents.documents import import_documents
from saelake.store.engine import Engine
from saelake.store.errors import (
    ModelError,
    NotFound,
    SaelakeError,
    SaelakeWarning,
    Unavailable,
)
from saelake.store.growth.index import index
from saelake.store.lake.jobs import JobLog
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.document import DocumentQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.tables.tables import Table
from saelake.workers.corpus import open_source
from saelake.workers.run import (
    DictionaryChoice,
    EncodeOptions,
    EncodeProgress,
    EncodeReport,
    RayCluster,
    encode,
)
from tests.system.machines import Machines
from tests.tiny import save_corpus, save_dictionary, save_model_with_code

pytest.importorskip("ray")
from saelake.workers.ray.executor import RayExecutor  # it needs Ray

pytestmark = [
    pytest.mark.cluster,
    # Ray leaves sockets and files to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

T = TypeVar("T")
R = TypeVar("R")

NAME = CollectionName("made", "sae")
N_DOCUMENTS, SHARD = 200, 5
DEADLY = "w7"
PATIENCE_S = 200
ENCODE = """
import sys
from saelake.store.lake.lake import Lake
from saelake.workers.run import DictionaryChoice, EncodeOptions, RayCluster, encode
lake, folder, address = sys.argv[1:]
encode(
    Lake(lake), "made", model=f"{folder}/model",
    dictionaries=[DictionaryChoice(location=f"{folder}/sae")],
    options=EncodeOptions(shard_documents=5, trust_remote_code=True),
    cluster=RayCluster(address=address, cpus_per_worker=1),
    on_progress=lambda progress: print(progress.n_documents, flush=True),
)
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slow model, its dictionary, a corpus, and the lake `whole`, encoded in this process."""
    folder = tmp_path_factory.mktemp("parts")
    (folder / "processes").mkdir()
    save_model_with_code(folder / "model", nap_s=0.5, processes=folder / "processes")
    save_model_with_code(folder / "quick")
    save_dictionary(folder / "sae")
    save_corpus(folder / "corpus.parquet", N_DOCUMENTS)
    encoded(imported(folder / "whole", folder / "corpus.parquet"), folder, "quick")
    return folder


def imported(folder: Path, corpus: Path) -> Lake:
    lake = Lake(str(folder))
    import_documents(lake, NAME.corpus, open_source(str(corpus)))
    return lake


def encoded(
    lake: Lake,
    parts: Path,
    model: str = "model",
    cluster: RayCluster | None = None,
    on_progress: Callable[[EncodeProgress], object] = lambda _: None,
    hook: str | None = None,
) -> EncodeReport:
    return encode(
        lake,
        NAME.corpus,
        model=str(parts / model),
        dictionaries=[DictionaryChoice(location=str(parts / "sae"), hook=hook)],
        options=EncodeOptions(shard_documents=SHARD, trust_remote_code=True),
        cluster=cluster,
        on_progress=on_progress,
    )


def codes(lake: Lake) -> pa.Table:
    return Engine(lake.uri).ask(CodesQuery(collection=str(NAME))).read_all()


def assert_whole(lake: Lake, parts: Path) -> None:
    """The lake has what an encode in this process makes, and its tables agree."""
    index(lake, NAME)
    checks = Engine(lake.uri).ask(VerifyQuery()).read_all().to_pylist()
    assert [check for check in checks if not check["ok"]] == []
    assert codes(lake).equals(codes(Lake(str(parts / "whole"))))


def n_stray_shards(lake: Lake) -> int:
    """Shards that were written and never committed, for another one of theirs was."""
    written = len(list(Path(lake.codes(NAME), "data").glob("*.lance")))
    return written - 1 - len(Table.open(lake.codes(NAME)).fragments)  # the anchor is one


@pytest.fixture
def machines() -> Iterator[Machines]:
    made = Machines()
    yield made
    made.close()


def test_workers_on_ray_make_what_this_process_makes(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    local = RayCluster(address="local", workers=2, cpus_per_worker=1)
    wrong = "layers.9"
    with pytest.raises(ModelError) as here:
        encoded(lake, parts, "quick", hook=wrong)
    with pytest.raises(ModelError) as there:
        encoded(lake, parts, "quick", local, hook=wrong)
    assert (str(there.value), there.value.data) == (str(here.value), here.value.data)
    assert lake.collections() == []
    report = encoded(lake, parts, "quick", local)
    assert (report.n_documents, report.n_repeated) == (N_DOCUMENTS, 0)
    assert_whole(lake, parts)
    assert [job.state for job in JobLog(lake).jobs()] == ["done"]
    assert n_stray_shards(lake) == 0


def test_what_must_be_told_comes_from_the_workers(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    local = RayCluster(address="local", workers=1, cpus_per_worker=1)
    with pytest.warns(SaelakeWarning, match=r"sae states .* and is run at layers\.0"):
        report = encoded(lake, parts, "quick", local, hook="layers.0")
    assert report.collections == (f"{NAME.corpus}/sae-at-layers.0",)


class Dying:
    """An executor whose first piece of each map ends the process that it runs in."""

    def __init__(self, executor: RayExecutor, folder: Path) -> None:
        self._executor = executor
        self._folder = folder
        self.maps = count()

    def map(self, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        died = self._folder / f"died-{next(self.maps)}"

        def deadly(item: T) -> R:
            if not died.exists():
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return work(item)

        yield from self._executor.map(deadly, items)
        assert died.exists()


def test_an_index_on_ray_is_whole_though_workers_die(tmp_path: Path, parts: Path) -> None:
    shutil.copytree(parts / "whole", tmp_path / "lake")
    lake = Lake(str(tmp_path / "lake"))
    with RayExecutor(RayCluster(address="local", workers=2, cpus_per_worker=1)) as executor:
        assert list(executor.map(lambda i: i * i, range(9))) == [i * i for i in range(9)]
        with pytest.raises(NotFound, match="no piece 3") as caught:
            list(executor.map(missing, range(9)))
        assert caught.value.data == {"piece": "3"}
        with pytest.raises(Unavailable, match=r"tried 3 times .* give --memory less"):
            list(executor.map(lambda _: os.kill(os.getpid(), signal.SIGKILL), [0]))
        dying = Dying(executor, tmp_path)
        report = index(lake, NAME, memory_bytes=5000, executor=dying)
    assert next(dying.maps) == 3, "of segments, of merges, of statistics"
    assert report.n_documents == N_DOCUMENTS
    assert 1 < report.n_segments < 10, "a merge has at most 52 of 200 documents"
    assert_whole(lake, parts)


def missing(piece: int) -> None:
    if piece == 3:
        raise NotFound("There is no piece 3.", piece=piece)


@pytest.mark.slow
def test_a_machine_that_joins_works_and_one_that_is_killed_is_missed_by_nobody(
    tmp_path: Path, parts: Path, machines: Machines
) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    first, _ = machines.add(), machines.add()
    before = processes(parts)
    has_joined = was_killed = False

    def on_progress(progress: EncodeProgress) -> None:
        nonlocal has_joined, was_killed
        if progress.n_documents >= 20 and not has_joined:
            has_joined = True
            machines.add()
            until(lambda: len(processes(parts) - before) == 3)
        if progress.n_workers == 3 and not was_killed:
            was_killed = True
            machines.kill(first)

    report = encoded(lake, parts, "model", machines.room(3), on_progress)
    assert was_killed
    assert report.n_documents == N_DOCUMENTS
    assert 0 < report.n_repeated <= 2, "more than the shards of the killed machine"
    assert n_stray_shards(lake) <= 2
    assert_whole(lake, parts)


@pytest.mark.slow
def test_a_machine_that_was_cut_off_and_returns_doubles_nothing(
    tmp_path: Path, parts: Path, machines: Machines
) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    cut_off = machines.add()
    before = processes(parts)
    workers: set[int] = set()
    has_returned = False

    def on_progress(progress: EncodeProgress) -> None:
        nonlocal has_returned
        if progress.n_documents >= 20 and not workers:
            workers.update(processes(parts) - before)
            machines.add()
            machines.stall(cut_off, workers)
        if progress.n_documents >= 100 and not has_returned:
            has_returned = True
            machines.go_on(cut_off, workers)

    report = encoded(lake, parts, "model", machines.room(2), on_progress)
    assert has_returned
    assert len(workers) == 1
    assert report.n_documents == N_DOCUMENTS
    assert 0 < report.n_repeated <= 2, "more than the shards of the machine that was cut off"
    assert n_stray_shards(lake) <= 2
    assert_whole(lake, parts)


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced(
    tmp_path: Path, parts: Path, machines: Machines
) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    machines.add()
    machines.add()
    before = processes(parts)
    killed: list[int] = []

    def on_progress(progress: EncodeProgress) -> None:
        if progress.n_documents >= 30 * (len(killed) + 1) and len(killed) < 2:
            killed.append(max(processes(parts) - before - set(killed)))
            os.kill(killed[-1], signal.SIGKILL)

    report = encoded(lake, parts, "model", machines.room(2), on_progress)
    assert len(killed) == 2
    assert len(processes(parts) - before) >= 3
    assert report.n_documents == N_DOCUMENTS
    assert 0 < report.n_repeated <= 2 * len(killed)
    assert n_stray_shards(lake) <= 2 * len(killed)
    assert_whole(lake, parts)


def processes(parts: Path) -> set[int]:
    """The processes that have loaded the model."""
    return {int(path.name) for path in (parts / "processes").iterdir()}


def until(holds: Callable[[], bool]) -> None:
    """Wait for other processes to bring something about."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_document_that_kills_its_workers_is_recorded_and_all_others_are_encoded(
    tmp_path: Path, parts: Path, machines: Machines
) -> None:
    texts = ["w1 w2 w3"] * 30
    texts[13] = f"w1 {DEADLY} w3"
    pq.write_table(pa.table({"text": texts}), tmp_path / "corpus.parquet")
    save_model_with_code(tmp_path / "model", deadly=DEADLY)
    lake = imported(tmp_path / "lake", tmp_path / "corpus.parquet")
    machines.add()
    machines.add()
    save_dictionary(tmp_path / "sae")
    report = encoded(lake, tmp_path, "model", machines.room(2))
    assert (report.n_documents, report.n_failed) == (30, 1)
    engine = Engine(lake.uri)
    (row,) = engine.ask(DocumentQuery(collection=str(NAME), doc=13)).read_all().to_pylist()
    assert "died" in row["error"]
    whole = codes(lake)
    assert set(whole["doc"].to_pylist()) == set(range(30)) - {13}
    first = whole.filter(pc.equal(whole["doc"], 0)).select(["position", "feature", "value"])
    for doc in set(range(30)) - {0, 13}:
        found = whole.filter(pc.equal(whole["doc"], doc)).select(["position", "feature", "value"])
        assert found.select(["position", "feature"]).equals(first.select(["position", "feature"]))
    assert all(check["ok"] for check in engine.ask(VerifyQuery()).read_all().to_pylist())
    assert encoded(lake, tmp_path, "model", machines.room(1)).n_documents == 0


@pytest.mark.slow
def test_a_killed_driver_loses_no_committed_shard(
    tmp_path: Path, parts: Path, machines: Machines
) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    machines.add()
    machines.add()
    address = machines.room(1).address
    command = [sys.executable, "-c", ENCODE, lake.uri, str(parts), address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        next(line for line in driver.stdout if int(line) >= 40)
        driver.kill()
    left = encoded(lake, parts, "model", machines.room(2)).n_documents
    assert left <= N_DOCUMENTS - 40
    assert_whole(lake, parts)


def test_where_no_cluster_is_says_so(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts / "corpus.parquet")
    with pytest.raises(Unavailable, match="ray start --head") as caught:
        encoded(lake, parts, "quick", RayCluster(address="127.0.0.1:1"))
    assert isinstance(caught.value, SaelakeError)
    assert caught.value.data["address"] == "127.0.0.1:1"
