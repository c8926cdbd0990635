"""Rows that come from a disk cache are those of the store, whatever befalls the cache."""

import gc
import os
import pickle
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.engine import Engine
from saelake.store.errors import AccessDenied, NotFound, SaelakeWarning
from saelake.store.tables import diskcache, mirrors
from saelake.store.tables import mirrored as looks
from saelake.store.tables.changes import Change, Draft
from saelake.store.tables.diskcache import DiskCache
from saelake.store.tables.files import write_bytes
from saelake.store.tables.mirrors import Mirror, unmirrored
from saelake.store.tables.tables import Table, address, drop
from tests.buckets import new_bucket
from tests.mirrored import files, settled
from tests.proxy import Fault, Proxy

SCHEMA = pa.schema([("doc", pa.int64()), ("word", pa.string())])
SIZES = (50, 7, 30)


def batch(first: int, n: int) -> pa.RecordBatch:
    return pa.record_batch([range(first, first + n), [f"w{i}" for i in range(n)]], schema=SCHEMA)


def table_of(uri: str, sizes: tuple[int, ...] = SIZES) -> Table:
    """A table of some files, its rows numbered from 0."""
    found = Table.open_or_create(uri, SCHEMA)
    for n in sizes:
        found = added(found, found.write([batch(found.n_rows, n)]))
    return found


def added(table: Table, draft: Draft) -> Table:
    return table.commit(lambda _: Change(add=draft))


def numbers(table: Table) -> list[int]:
    return [n for b in table.scan(["doc"], batch_rows=8) for n in b["doc"].to_pylist()]


@dataclass(frozen=True, slots=True)
class Place:
    """A lake in a bucket, with a mirror of it."""

    uri: str
    mirror: Mirror

    @property
    def table(self) -> str:
        return f"{self.uri}/t.lance"

    @property
    def cache(self) -> DiskCache:
        return self.mirror.cache

    def filled(self) -> Table:
        """The table, all of whose files have come."""
        table = Table.open(self.table)
        numbers(table)
        settled(self.mirror)
        assert table.mirrored is not None
        assert table.mirrored.missing() == {}
        numbers(table)  # which now looks where they are
        return table


@pytest.fixture
def place(
    bucket: str, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A table in a bucket behind the proxy, and an empty cache."""
    monkeypatch.setattr(looks, "LOOK_S", 0.0)
    monkeypatch.setattr(looks, "SETTLED_S", 0.0)
    uri = f"{bucket}/lake"
    table_of(f"{uri}/t.lance")
    mirror = Mirror(uri, DiskCache(tmp_path / "a cäche", idle_s=0))
    yield Place(uri, mirror)
    mirror.close()


def data_requests(proxy: Proxy, call: object) -> int:
    """How many requests for data files something takes."""
    seen: list[str] = []

    def choose(method: str, path: str) -> None:
        if "/data/" in path:
            seen.append(path)

    before, proxy.choose = proxy.choose, choose
    call()  # type: ignore[operator]
    proxy.choose = before
    return len(seen)


def test_rows_come_from_the_disk(place: Place, proxy: Proxy) -> None:
    table = place.filled()
    assert data_requests(proxy, lambda: numbers(table)) == 0
    assert numbers(table) == list(range(sum(SIZES)))
    plain = Table(table._dataset)
    with unmirrored():
        assert data_requests(proxy, lambda: numbers(plain)) > 0


def test_a_new_process_needs_no_data_of_the_store(place: Place, proxy: Proxy) -> None:
    place.filled()
    assert data_requests(proxy, lambda: numbers(Table.open(place.table))) == 0


@given(
    here=st.sets(st.integers(0, len(SIZES) - 1)),
    rows=st.lists(st.integers(0, sum(SIZES) - 1), max_size=12),
    batch_rows=st.integers(1, 40),
)
@settings(max_examples=25, deadline=None)
def test_rows_are_the_same_whatever_is_here(
    tmp_path_factory: pytest.TempPathFactory, lake_of_three: str, here: set[int],
    rows: list[int], batch_rows: int,
) -> None:  # fmt: skip
    cache = DiskCache(tmp_path_factory.mktemp("here"))
    plain = Table.open(f"{lake_of_three}/t.lance")
    sizes = {plain.file_of(f.id): f.size_bytes for f in plain.fragments}
    mirror = Mirror(lake_of_three, cache)
    try:
        chosen = {name: size for i, (name, size) in enumerate(sizes.items()) if i in here}
        assert mirror.fetch(plain.uri, chosen, abs) == []
        table = Table.open(plain.uri)
        assert table.mirrored is not None
        assert set(table.mirrored.missing()) == set(sizes) - set(chosen)
        with unmirrored():
            every = plain.read()
            addresses = [address(f.id, r) for f in plain.fragments for r in range(f.n_rows)]
        assert table.take(rows, ["word", "doc"]).equals(
            every.take(pa.array(rows, pa.int64())).select(["word", "doc"])
        )
        some = [addresses[row] for row in rows]
        assert table.take_addresses(some, ["doc"])["doc"].to_pylist() == rows
        where = "doc % 3 = 1"
        found = list(table.scan(["doc"], where=where, batch_rows=batch_rows))
        assert [n for b in found for n in b["doc"].to_pylist()] == [
            n for n in range(sum(SIZES)) if n % 3 == 1
        ]
        assert table.read(where="doc < 9").equals(every.slice(0, 9))
    finally:
        mirror.close()


@pytest.fixture(scope="module")
def lake_of_three(s3_endpoint: str) -> Iterator[str]:
    with new_bucket(s3_endpoint, "of-three") as bucket:
        table_of(f"{bucket}/lake/t.lance")
        yield f"{bucket}/lake"


def test_a_file_that_another_process_let_go_is_read_of_the_store(place: Place) -> None:
    table = place.filled()
    looks.LOOK_S = looks.SETTLED_S = 1000.0  # nobody looks in between
    numbers(table)
    for path in files(place.cache):
        path.unlink()
    assert table.take([60, 3], ["doc"])["doc"].to_pylist() == [60, 3]
    assert numbers(table) == list(range(sum(SIZES)))


def test_a_file_that_goes_in_the_middle_of_a_scan_is_read_of_the_store(place: Place) -> None:
    table = place.filled()
    looks.LOOK_S = looks.SETTLED_S = 1000.0
    numbers(table)
    for path in files(place.cache):
        if path.name == table.file_of(table.fragments[-1].id):
            path.unlink()
    assert numbers(Table(table._dataset)) == list(range(sum(SIZES)))
    assert numbers(table) == list(range(sum(SIZES)))


def test_a_damaged_file_is_let_go_and_read_of_the_store(place: Place) -> None:
    table = place.filled()
    for path in files(place.cache):
        path.write_bytes(b"\0" * path.stat().st_size)
    again = Table.open(place.table)
    assert again.take([60, 3], ["doc"])["doc"].to_pylist() == [60, 3]
    assert numbers(table) == list(range(sum(SIZES)))
    settled(place.mirror)
    assert {path.read_bytes()[-4:] for path in files(place.cache)} == {b"LANC"}


def test_a_file_of_another_length_is_none(place: Place, proxy: Proxy) -> None:
    place.filled()
    for path in files(place.cache):
        path.write_bytes(path.read_bytes()[:-1])
    assert numbers(Table.open(place.table)) == list(range(sum(SIZES)))


def test_new_rows_are_seen_and_come_too(place: Place, proxy: Proxy) -> None:
    table = place.filled()
    assert table.latest() is table
    added(table, table.write([batch(table.n_rows, 5)]))
    newest = table.latest()
    assert numbers(newest) == list(range(sum(SIZES) + 5))
    settled(place.mirror)
    numbers(newest)
    assert data_requests(proxy, lambda: numbers(newest)) == 0


def test_nothing_that_is_written_names_a_place_of_this_machine(place: Place) -> None:
    """A table that is read by way of the cache is changed in all ways, and read without it."""
    table = place.filled()
    table.read(["doc"])
    add, instead = table.write([batch(87, 3)]), table.write([batch(0, 50)], one_fragment=True)
    first, second = (f.id for f in table.fragments[:2])
    changed = table.commit(lambda _: Change(add=add, remove=(second,), instead={first: instead}))
    changed.index_words("word")
    grown = SCHEMA.append(pa.field("more", pa.int32()))
    evolution = Table.open(place.table).evolve(grown, lambda array, _: array)
    Table.open(place.table).commit(lambda _: Change(evolution=evolution))
    newest = Table.open(place.table)
    newest.tag("now")
    newest.clean_up(timedelta(0))
    place.mirror.close()
    for found in (Table.open(place.table), Table.open(f"{place.table}#now")):
        assert sorted(numbers(found)) == [*range(50), *range(57, 90)]
        fragments = found._dataset.get_fragments()
        assert all(file.base_id is None for f in fragments for file in f.metadata.files)
        assert not found._dataset.base_paths()


def test_a_table_dropped_and_made_again_is_another(place: Place) -> None:
    table = place.filled()
    drop(place.table)
    with pytest.raises(NotFound):
        table.latest()
    made = Table.open_or_create(place.table, SCHEMA)
    added(made, made.write([batch(1000, 50)]))
    assert numbers(Table.open(place.table)) == list(range(1000, 1050))
    settled(place.mirror)
    assert numbers(Table.open(place.table)) == list(range(1000, 1050))


def test_a_state_that_was_cleaned_up_is_followed_by_the_newest(place: Place) -> None:
    """Its files are still here, and right for who has it open; who looks, sees the newest."""
    table = place.filled()
    every = tuple(f.id for f in table.fragments)
    draft = table.write([batch(500, 5)])
    newest = table.commit(lambda _: Change(add=draft, remove=every))
    newest.clean_up(timedelta(0), unverified=True)
    assert numbers(table) == list(range(sum(SIZES)))
    assert numbers(table.latest()) == list(range(500, 505))


def test_who_has_no_right_any_more_is_refused(place: Place, proxy: Proxy) -> None:
    place.filled()
    proxy.choose = lambda method, path: Fault.DENIED
    with pytest.raises(AccessDenied):
        Table.open(place.table)


def test_a_store_that_is_away_while_files_are_fetched_stops_nothing(
    place: Place, proxy: Proxy
) -> None:
    table = Table.open(place.table)
    calls = iter(range(1000))
    proxy.choose = lambda method, path: (
        Fault.DENIED if "/data/" in path and method == "HEAD" and next(calls) >= 0 else None
    )
    assert numbers(table) == list(range(sum(SIZES)))
    settled(place.mirror)
    assert files(place.cache) == []
    assert numbers(table) == list(range(sum(SIZES)))


def test_a_budget_smaller_than_a_file_leaves_it_in_the_store(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "LOOK_S", 0.0)
    table_of(f"{bucket}/lake/t.lance")
    mirror = Mirror(f"{bucket}/lake", DiskCache(tmp_path, 100))
    try:
        table = Table.open(f"{bucket}/lake/t.lance")
        assert numbers(table) == list(range(sum(SIZES)))
        settled(mirror)
        assert numbers(table) == list(range(sum(SIZES)))
        assert files(mirror.cache) == []
    finally:
        mirror.close()


def test_where_one_file_has_no_room_larger_ones_are_not_tried(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try counts every file of the cache; a budget that is full must not be found so anew."""
    table = table_of(f"{bucket}/lake/t.lance", (5, *[50] * 20))
    sizes = {table.file_of(f.id): f.size_bytes for f in table.fragments}
    mirror = Mirror(f"{bucket}/lake", DiskCache(tmp_path, min(sizes.values())))
    counted, count = Counter[str](), diskcache._Room.count

    def counts(room: diskcache._Room) -> None:
        counted["times"] += 1
        count(room)

    monkeypatch.setattr(diskcache._Room, "count", counts)
    try:
        assert len(mirror.fetch(table.uri, sizes, abs)) == 20
        assert 0 < counted["times"] <= mirrors.THREADS
    finally:
        mirror.close()


def test_a_full_disk_is_said_once_and_answers_go_on(
    bucket: str, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "LOOK_S", 0.0)
    table_of(f"{bucket}/lake/t.lance")
    mirror = Mirror(f"{bucket}/lake", DiskCache(small_disk, 1 << 30))
    with suppress(OSError), (small_disk / "others").open("wb", buffering=0) as others:
        while True:
            others.write(b"x" * 100)
    try:
        table = Table.open(f"{bucket}/lake/t.lance")
        numbers(table)
        settled(mirror)
        with pytest.warns(SaelakeWarning, match="takes no more files: No space left"):
            assert numbers(table) == list(range(sum(SIZES)))
        assert numbers(table) == list(range(sum(SIZES)))
    finally:
        mirror.close()


def test_no_secret_is_in_the_cache(place: Place) -> None:
    place.filled()
    secrets = [os.environ["AWS_SECRET_ACCESS_KEY"], os.environ["AWS_ACCESS_KEY_ID"]]
    for path in place.cache.folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert all(secret.encode() not in str(path).encode() + data for secret in secrets)


def test_large_files_wait_until_a_table_is_read_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "SMALL_BYTES", 0)
    table = Table.open(place.table)
    for _ in range(mirrors.PATIENCE - 1):
        table.take([0], ["doc"])
        assert place.mirror.idle()
    table.take([0], ["doc"])
    settled(place.mirror)
    assert len(files(place.cache)) == len(SIZES)


def test_a_mirror_that_is_closed_fetches_no_large_file_to_its_end(
    place: Place, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "SMALL_BYTES", 0)
    monkeypatch.setattr(mirrors, "PATIENCE", 0)
    table = Table.open(place.table)
    table.take([0], ["doc"])
    proxy.delay_s = 0.2
    place.mirror.close()
    began = time.monotonic()
    assert table.take([0], ["doc"])["doc"].to_pylist() == [0]
    assert time.monotonic() - began < mirrors.CLOSE_S
    assert not any(path.name.endswith(".part") for path in files(place.cache))


def test_a_file_beside_the_data_has_a_copy_too(place: Place) -> None:
    table, data = Table.open(place.table), bytes(range(256)) * 40
    write_bytes(f"{place.table}/data/0101/0011.blob", data)
    assert table.copy_of("0101/0011.blob", len(data)) is None
    settled(place.mirror)
    path = table.copy_of("0101/0011.blob", len(data))
    assert path is not None
    with Path(path).open("rb") as opened:
        place.cache.forget(place.table, [Path(path).name])
        assert opened.read() == data  # who has opened it keeps it
    with unmirrored():
        assert table.copy_of("0101/0011.blob", len(data)) is None


def test_an_engine_that_nobody_has_any_more_lets_its_mirror_go(place: Place) -> None:
    place.mirror.close()
    engine = Engine(place.uri, disk_cache=place.cache)
    assert mirrors.mirror_of(place.table) is not None
    numbers(Table.open(place.table))
    del engine
    gc.collect()
    assert mirrors.mirror_of(place.table) is None


def test_threads_with_nothing_to_fetch_end(place: Place) -> None:
    place.filled()
    time.sleep(5 * mirrors.LINGER_S)
    assert not [t for t in threading.enumerate() if t.name == "saelake-fetch"]
    table = added(Table.open(place.table), Table.open(place.table).write([batch(87, 3)]))
    numbers(table)
    settled(place.mirror)
    assert table.mirrored is not None
    assert table.mirrored.missing() == {}


def test_a_lake_that_is_not_in_a_store_has_no_mirror(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache")
    assert mirrors.mirrored(str(tmp_path / "lake"), cache) is None
    assert mirrors.mirrored("s3://bucket/lake", None) is None


def test_a_table_goes_to_another_process_without_its_mirror(place: Place) -> None:
    table = place.filled()
    place.mirror.close()
    again: Table = pickle.loads(pickle.dumps(table))
    assert numbers(again) == numbers(table)
