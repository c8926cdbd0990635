"""Questions answered with actors on Ray, against the same in one process.

`python -m benchmarks distributed --documents 20000`. The cluster is of real raylets on this
machine, each with one CPU, so that with more actors than cores only processor time says what they
cost. Answers are compared with those of one process before anything is measured.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import numpy as np
import typer

from benchmarks.common.measure import elapsed_s, size_bytes
from benchmarks.common.needs import require
from benchmarks.common.report import Cell, Table, publish
from benchmarks.common.synthetic import NAME, SHELVES, lake_at
from saelake.store.codes.executor import Owners, Threads, pieces
from saelake.store.engine import Engine
from saelake.store.lake.lake import Lake
from saelake.store.requests.checks import Selection
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.request import Request
from saelake.store.requests.similar import SimilarQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot import part
from saelake.store.snapshot.collection import Collection

OBJECT_STORE_BYTES = 512 << 20
ACTOR = "ray::Owner"  # what Ray calls the process
WARM_UP = 2  # questions of each asker
N_CALLS = 200
TICKS = 100  # a second, in /proc
Ask = Callable[[np.random.Generator], Request]
MIB = 1 << 20


def main(
    documents: Annotated[int, typer.Option(help="of a lake to make")] = 20_000,
    lake: Annotated[
        Path | None, typer.Option(help="a lake of this synthesis, in its place")
    ] = None,
    mean_length: Annotated[float, typer.Option(help="tokens a document")] = 50,
    actors: Annotated[list[int] | None, typer.Option(help="how many; repeat it")] = None,
    askers: Annotated[int, typer.Option(help="threads that ask at once")] = 4,
    seconds: Annotated[float, typer.Option(help="of each measurement")] = 5.0,
    piece_documents: Annotated[
        int, typer.Option(help="of a piece: few, so that small lakes have as many as large ones")
    ] = 2048,
) -> None:
    """Ask a lake in one process, and with actors."""
    require("ray")
    pieces.__defaults__ = (piece_documents, *(pieces.__defaults__ or ())[1:])
    with lake_at(lake, documents, mean_length) as place:
        collection = Collection(Lake(str(place)), NAME)
        kinds = _kinds(collection)
        sizes = actors or [1, 2, 4]
        with _engine(place, Threads()) as engine:
            expected = {kind: _answer(engine, ask) for kind, ask in kinds.items()}
            rows = [
                _row(kind, "one process", engine, ask, askers, seconds)
                for kind, ask in kinds.items()
            ]
        calls: list[Mapping[str, Cell]] = []
        with _cluster(max(sizes)) as address:
            for n in sizes:
                found, call = _with_actors(place, address, n, kinds, expected, askers, seconds)
                rows += found
                calls.append(call)
        facts: dict[str, Cell] = {
            "documents": collection.documents.n_documents,
            "segments": len(collection.segments),
            "MiB": size_bytes(place) / MIB,
            "askers": askers,
            "documents of a piece": piece_documents,
        }
    order = {kind: number for number, kind in enumerate(kinds)}
    rows.sort(key=lambda row: order[str(row["question"])])
    tables = [
        Table(title="Questions in one process and with actors", rows=rows),
        Table(title="What Ray costs a call", rows=calls),
    ]
    publish("distributed", tables, facts=facts)


def _kinds(collection: Collection) -> Mapping[str, Ask]:
    name, n = str(NAME), collection.documents.n_documents
    halves = [
        Selection(collection=name, where=f"shelf {sign} {SHELVES // 2}") for sign in ("<", ">=")
    ]
    fires = np.arange(collection.settings.width)

    def tokens(random: np.random.Generator) -> Request:
        return TokensQuery(collection=name, expression=str(random.choice(fires)))

    def both(random: np.random.Generator) -> Request:
        a, b = random.choice(fires[:500], 2, replace=False)
        return TokensQuery(collection=name, expression=f"{a} & {b}", scope="document")

    def similar(random: np.random.Generator) -> Request:
        return SimilarQuery(collection=name, docs=(int(random.integers(n)),))

    def exact(random: np.random.Generator) -> Request:
        return SimilarQuery(collection=name, docs=(int(random.integers(n)),), exact=True)

    def diff(_: np.random.Generator) -> Request:
        return DiffQuery(a=halves[0], others=(halves[1],))

    def tokens_diff(_: np.random.Generator) -> Request:
        return DiffQuery(a=halves[0], others=(halves[1],), unit="token")

    def correlate(_: np.random.Generator) -> Request:
        return CorrelateQuery(a=halves[0], min_npmi=0.3, min_documents=50)

    return {
        "tokens": tokens,
        "tokens a & b": both,
        "similar": similar,
        "similar, exact": exact,
        "diff": diff,
        "diff of tokens": tokens_diff,
        "correlate": correlate,
    }


def _answer(engine: Engine, ask: Ask) -> Any:
    return engine.ask(ask(np.random.default_rng(7))).read_all()


def _row(
    kind: str, where: str, engine: Engine, ask: Ask, askers: int, seconds: float
) -> Mapping[str, Cell]:
    """How long a question takes alone, and how many are answered when several ask.

    Before, all ask, so that every replica has read what it keeps.
    """
    with ThreadPoolExecutor(askers) as pool:
        list(pool.map(lambda _: _answer(engine, ask), range(WARM_UP * askers)))
    alone: list[float] = []
    until = time.perf_counter() + seconds
    random = np.random.default_rng(0)
    while time.perf_counter() < until or len(alone) < 3:
        question = ask(random)
        alone.append(elapsed_s(lambda: engine.ask(question).read_all()))  # noqa: B023
    before, begun = _cpu_s(), time.perf_counter()

    def asking(seed: int) -> int:
        random, n = np.random.default_rng(seed), 0
        while time.perf_counter() < begun + seconds:
            engine.ask(ask(random)).read_all()
            n += 1
        return n

    with ThreadPoolExecutor(askers) as pool:
        n = sum(pool.map(asking, range(askers)))
    taken = time.perf_counter() - begun
    here, there = (a - b for a, b in zip(_cpu_s(), before, strict=True))
    return {
        "question": kind,
        "where": where,
        "p50 ms": 1e3 * statistics.median(alone),
        "questions/s": n / taken,
        "CPU ms here": 1e3 * here / n,
        "CPU ms of actors": 1e3 * there / n,
    }


def _with_actors(
    place: Path,
    address: str,
    n: int,
    kinds: Mapping[str, Ask],
    expected: Mapping[str, Any],
    askers: int,
    seconds: float,
) -> tuple[Sequence[Mapping[str, Cell]], Mapping[str, Cell]]:
    from saelake.workers.fleet.ray_cluster import RayCluster
    from saelake.workers.ray.owners import RayOwners

    cluster = RayCluster(address=address, workers=n, cpus_per_worker=1)
    where = f"{n} actor{'s' if n > 1 else ''}"
    owners = RayOwners(cluster).open()
    while owners.n_ready < n:
        time.sleep(0.1)
    rows = []
    with _engine(place, owners) as engine:
        call = _call_costs(owners, where)
        for kind, ask in kinds.items():
            assert _answer(engine, ask) == expected[kind], f"{kind} differs with {where}"
            rows.append(_row(kind, where, engine, ask, askers, seconds))
        with patch.object(part, "LEAST_SEGMENTS", 1):
            engine._session.cache.clear()
            for kind in ("tokens", "tokens a & b"):
                assert _answer(engine, kinds[kind]) == expected[kind]
                forced = f"{where}, always asked"
                rows.append(_row(kind, forced, engine, kinds[kind], askers, seconds))
    return rows, call


def _call_costs(owners: Owners, where: str) -> Mapping[str, Cell]:
    """A call of nothing; a call more of several at once; and the way of a result."""
    megabyte = np.ones(16 << 20, np.uint8)

    def p50(work: Callable[[Any], Any], items: Sequence[Any], n: int) -> float:
        times = [elapsed_s(lambda: list(owners.map(work, items))) for _ in range(n)]
        return 1e3 * statistics.median(times)

    one, many = p50(_nothing, [0], N_CALLS), p50(_nothing, list(range(101)), 10)
    large = p50(lambda _: megabyte, [0], 10)
    return {
        "where": where,
        "a call, ms": one,
        "each of 100 more, ms": (many - one) / 100,
        "16 MiB of results, ms": large - one,
    }


def _nothing(item: int) -> int:
    return item


@contextmanager
def _engine(place: Path, executor: Any) -> Iterator[Engine]:
    engine = Engine(str(place), executor=executor)
    yield engine
    engine.close()


@contextmanager
def _cluster(n: int) -> Iterator[str]:
    """The address of a cluster of `n` nodes with a CPU each."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(n):
            made.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES)
        yield made.address
    finally:
        made.shutdown()


def _cpu_s() -> tuple[float, float]:
    """Processor time of this process, and of all actors."""
    return time.process_time(), sum(map(_of_process, _actors()))


def _actors() -> Iterator[Path]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_text().startswith(ACTOR):
                yield folder
        except OSError:
            continue


def _of_process(folder: Path) -> float:
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS
