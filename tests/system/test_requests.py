"""How many requests of an object store things take: numbers, which hold on any machine."""

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa

from saelake.store.engine import Engine
from saelake.store.growth.index import index
from saelake.store.lake.lake import Lake
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.fresh import FRESH_S
from saelake.store.tables.changes import Change
from saelake.store.tables.objectstore import credentials
from saelake.store.tables.tables import Table
from tests.lakes import MADE, make_lake
from tests.mirrored import uploaded
from tests.proxy import Proxy

TABLES = 5  # that are looked at: names of dictionaries, codes, postings, documents, deleted ones
DELAY_S = 1.0
SCHEMA = pa.schema([("doc", pa.int64())])


def counted(proxy: Proxy, work: Callable[[], object]) -> Counter[str]:
    """The requests that something takes: for data, and for versions."""
    seen = Counter[str]()

    def choose(method: str, path: str) -> None:
        seen["data" if "/data/" in path else "versions"] += 1

    proxy.choose = choose
    work()
    proxy.choose = lambda method, path: None
    return seen


def ask(engine: Engine, feature: int) -> None:
    engine.ask(TokensQuery(collection=str(MADE), expression=str(feature))).read_all()


def test_whether_anything_is_newer_is_asked_of_all_tables_at_once(
    bucket: str, proxy: Proxy, tmp_path: Path
) -> None:
    """One after another, each would come when the one before was answered, a second later."""
    uri = uploaded(make_lake(tmp_path / "lake", n_indexed=3).lake.uri, f"{bucket}/lake")
    engine = Engine(uri)
    ask(engine, 1)
    time.sleep(FRESH_S)
    came: list[float] = []

    def choose(method: str, path: str) -> None:
        if "list-type" in path:
            came.append(time.monotonic())

    proxy.choose, proxy.delay_s = choose, DELAY_S
    ask(engine, 1)
    assert came[TABLES - 1] - came[0] < DELAY_S


def test_a_file_is_looked_into_once_in_a_process(bucket: str, proxy: Proxy) -> None:
    """Where its columns are is known, whoever opens its table again; rows are read anew."""
    uri = f"{bucket}/lake/t.lance"
    table = Table.open_or_create(uri, SCHEMA)
    draft = table.write([pa.record_batch([range(100_000)], schema=SCHEMA)])
    table.commit(lambda _: Change(add=draft))
    first = counted(proxy, lambda: Table.open(uri).take([5], ["doc"]))
    again = counted(proxy, lambda: Table.open(uri).take([70_000], ["doc"]))
    assert again["data"] <= 1 < first["data"]
    assert again["versions"] == 1


def test_other_credentials_make_connections_of_their_own() -> None:
    one = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "OTHER": "c"}
    assert credentials(one) == credentials({**one, "OTHER": "d"})
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        assert credentials(one) != credentials({**one, name: "another"})


def test_the_fortieth_commit_asks_no_more_than_the_first(bucket: str, proxy: Proxy) -> None:
    table = Table.open_or_create(f"{bucket}/lake/t.lance", SCHEMA)

    def commit() -> None:
        newest = table.latest()
        draft = newest.write([pa.record_batch([[1]], schema=SCHEMA)])
        newest.commit(lambda _: Change(add=draft))

    counts = [counted(proxy, commit).total() for _ in range(40)]
    assert len(set(counts[1:])) == 1
    assert counts[-1] <= 10


def test_indexing_asks_in_proportion_to_what_is_new(
    bucket: str, proxy: Proxy, tmp_path: Path
) -> None:
    """Of 4, 8 and 16 fragments: twice as many take twice the requests, and some."""
    counts = []
    for n in (4, 8, 16):
        made = make_lake(tmp_path / f"lake-{n}", n_documents=48, n_fragments=n, n_indexed=0)
        uri = uploaded(made.lake.uri, f"{bucket}/lake-{n}")
        counts.append(counted(proxy, partial(index, Lake(uri), MADE)).total())
    few, more, most = counts
    assert most - more <= 2.5 * (more - few)


def test_indexing_what_is_indexed_asks_little(bucket: str, proxy: Proxy, tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_fragments=8, n_indexed=8)
    uri = uploaded(made.lake.uri, f"{bucket}/lake")
    index(Lake(uri), MADE)
    assert counted(proxy, lambda: index(Lake(uri), MADE)).total() <= 30
