"""A disk cache: whole files up to a budget, whoever shares it and whatever ends in the middle."""

import fcntl
import os
import stat
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.errors import InvalidInput
from saelake.store.tables.diskcache import PART_BYTES, DiskCache, NoRoom, Read
from tests.conftest import SMALL_DISK_BYTES

TABLE, OTHER = "s3://bucket/lake/t.lance", "s3://bucket/lake/u.lance"


def bytes_of(data: bytes) -> Read:
    return lambda offset, size: data[offset : offset + size]


def content(name: str, n_bytes: int) -> bytes:
    return (name.encode() * n_bytes)[:n_bytes]


def fetched(cache: DiskCache, name: str, n_bytes: int, table: str = TABLE) -> bool:
    """Whether it came; it does not where there is no room, or another is at it."""
    try:
        return cache.fetch(table, name, n_bytes, bytes_of(content(name, n_bytes)))
    except NoRoom:
        return False


def files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file() and p.name != "used"]


def test_a_file_is_there_whole(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", 3 * PART_BYTES)
    n_bytes = 2 * PART_BYTES + 17
    assert cache.present(TABLE, {"a": n_bytes}) == frozenset()
    assert fetched(cache, "a", n_bytes)
    assert (cache.place(TABLE) / "a").read_bytes() == content("a", n_bytes)
    assert cache.present(TABLE, {"a": n_bytes, "b": 1}) == {"a"}
    assert cache.present(TABLE, {"a": n_bytes - 1}) == frozenset()  # of another length it is none
    assert cache.present(OTHER, {"a": n_bytes}) == frozenset()
    assert cache.used_bytes == n_bytes


def test_a_file_that_is_there_is_not_read_again(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    assert fetched(cache, "a", 10)

    def never(offset: int, size: int) -> bytes:
        raise AssertionError

    assert cache.fetch(TABLE, "a", 10, never)
    assert cache.used_bytes == 10


def test_nobody_else_may_look(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        cache = DiskCache(tmp_path)
        fetched(cache, "a", 10)
    finally:
        os.umask(old)
    inside = list(tmp_path.rglob("*"))
    modes = {stat.S_IMODE(p.stat().st_mode) for p in inside}
    assert inside
    assert modes <= {0o700, 0o600}


def test_stores_and_tables_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DiskCache(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://one")
    fetched(cache, "a", 10)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://two")
    assert cache.present(TABLE, {"a": 10}) == frozenset()


def test_what_was_used_last_stays(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 30, idle_s=0)
    for age, name in enumerate(["a", "b", "c"]):
        fetched(cache, name, 10)
        os.utime(cache.place(TABLE) / name, (1000 + age, 1000 + age))
    cache.use(TABLE, ["a"])
    assert fetched(cache, "d", 10)
    assert cache.present(TABLE, dict.fromkeys("abcd", 10)) == {"a", "c", "d"}
    assert cache.used_bytes == 30


def test_a_file_in_use_is_not_pushed_out(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 30, idle_s=600)
    fetched(cache, "a", 20)
    assert not fetched(cache, "b", 20)
    assert cache.present(TABLE, {"a": 20, "b": 20}) == {"a"}
    assert files(tmp_path) == [cache.place(TABLE) / "a"]


def test_a_file_larger_than_the_budget_changes_nothing(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 30, idle_s=0)
    fetched(cache, "a", 20)
    os.utime(cache.place(TABLE) / "a", (1000, 1000))
    assert not fetched(cache, "b", 31)
    assert cache.present(TABLE, {"a": 20}) == {"a"}
    assert cache.used_bytes == 20


def test_of_what_ends_in_the_middle_nothing_stays(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)

    def fails(offset: int, size: int) -> bytes:
        if offset:
            raise ConnectionError
        return b"x" * size

    with pytest.raises(ConnectionError):
        cache.fetch(TABLE, "a", 2 * PART_BYTES, fails)
    assert files(tmp_path) == []
    assert cache.used_bytes == 0
    assert fetched(cache, "a", 10)


def test_a_part_that_is_too_short_is_no_file(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    with pytest.raises(OSError, match="bytes"):
        cache.fetch(TABLE, "a", 10, bytes_of(b"short"))
    assert files(tmp_path) == []


def test_what_a_killed_process_left_goes_when_room_is_needed(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 30)
    fetched(cache, "a", 10)
    left = cache.place(TABLE) / ".b.part"
    left.write_bytes(b"x" * 20)
    (tmp_path / "saelake" / "used").write_text("7")  # it was killed before it wrote this down
    assert cache.present(TABLE, {"b": 20}) == frozenset()
    assert fetched(DiskCache(tmp_path, 30), "c", 20)
    assert not left.exists()
    assert cache.used_bytes == 30


def test_what_was_left_is_begun_again(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    fetched(cache, "z", 1)
    (cache.place(TABLE) / ".a.part").write_bytes(b"not a" * 20)
    assert fetched(cache, "a", 10)
    assert (cache.place(TABLE) / "a").read_bytes() == content("a", 10)
    assert cache.used_bytes == 11


def test_of_two_that_fetch_one_file_one_does(tmp_path: Path) -> None:
    first, second = DiskCache(tmp_path), DiskCache(tmp_path)
    results = []

    def meanwhile(offset: int, size: int) -> bytes:
        results.append(fetched(second, "a", 10))
        return content("a", 10)

    assert first.fetch(TABLE, "a", 10, meanwhile)
    assert results == [False]
    assert first.used_bytes == second.used_bytes == 10


def test_a_part_in_work_is_not_taken_for_left(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 30, idle_s=0)

    def meanwhile(offset: int, size: int) -> bytes:
        assert not fetched(DiskCache(tmp_path, 30, idle_s=0), "b", 20)
        return content("a", 20)

    assert cache.fetch(TABLE, "a", 20, meanwhile)
    assert (cache.place(TABLE) / "a").read_bytes() == content("a", 20)


def test_many_at_once_keep_the_budget(tmp_path: Path) -> None:
    n, size = 8, 100
    barrier = Barrier(n)

    def work(number: int) -> None:
        cache = DiskCache(tmp_path, 10 * size, idle_s=0)
        barrier.wait()
        for turn in range(20):
            name = f"{(number + turn) % 15}"
            fetched(cache, name, size)
            for path in files(tmp_path):
                if not path.name.startswith("."):
                    try:
                        assert path.read_bytes() == content(path.name, size)
                    except FileNotFoundError:
                        continue

    with ThreadPoolExecutor(n) as pool:
        list(pool.map(work, range(n)))
    assert DiskCache(tmp_path, 10 * size).used_bytes <= 10 * size


def test_what_is_not_to_be_trusted_goes(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    fetched(cache, "a", 10)
    fetched(cache, "b", 10)
    cache.forget(TABLE, ["a", "never was"])
    assert cache.present(TABLE, {"a": 10, "b": 10}) == {"b"}
    assert cache.used_bytes == 10


def test_a_full_disk_is_said_and_nothing_stays(small_disk: Path) -> None:
    cache = DiskCache(small_disk, 1 << 30)
    with pytest.raises(OSError, match="No space left"):
        fetched(cache, "a", 2 * SMALL_DISK_BYTES)
    assert files(small_disk) == []
    assert fetched(cache, "b", SMALL_DISK_BYTES // 2)


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be used"):
        DiskCache(tmp_path / "file")
    with pytest.raises(InvalidInput, match="at least a byte"):
        DiskCache(tmp_path, 0)


ACTIONS = st.one_of(
    st.tuples(st.just("fetch"), st.sampled_from("abcdef"), st.sampled_from([TABLE, OTHER])),
    st.tuples(st.just("use"), st.sampled_from("abcdef"), st.sampled_from([TABLE, OTHER])),
    st.tuples(st.just("forget"), st.sampled_from("abcdef"), st.sampled_from([TABLE, OTHER])),
    st.tuples(st.just("reopen"), st.just(""), st.just("")),
)
SIZES = dict(zip("abcdef", (5, 10, 15, 20, 40, 60), strict=True))


@given(actions=st.lists(ACTIONS, max_size=25))
@settings(max_examples=60, deadline=None)
def test_a_cache_is_a_part_of_what_was_fetched(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, str, str]]
) -> None:
    """Against a plain set: what is there was fetched, is whole, and is never over the budget."""
    folder = tmp_path_factory.mktemp("cache")
    budget = 50
    cache = DiskCache(folder, budget, idle_s=0)
    may_be: set[tuple[str, str]] = set()
    for action, name, table in actions:
        match action:
            case "fetch":
                came = fetched(cache, name, SIZES[name], table)
                assert came == (name in cache.present(table, SIZES))
                assert came or SIZES[name] > budget or cache.used_bytes + SIZES[name] > budget
                may_be.add((table, name))
            case "use":
                cache.use(table, [name])
            case "forget":
                cache.forget(table, [name])
                may_be.discard((table, name))
            case _:
                cache = DiskCache(folder, budget, idle_s=0)
        there = {(t, n) for t in (TABLE, OTHER) for n in cache.present(t, SIZES)}
        assert there <= may_be
        assert Counter(p.name for p in files(folder)) == Counter(n for _, n in there)
        for t, n in there:
            assert (cache.place(t) / n).read_bytes() == content(n, SIZES[n])
        assert cache.used_bytes == sum(SIZES[n] for _, n in there) <= budget


def test_a_lock_that_is_held_is_waited_for(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    with (
        (tmp_path / "saelake" / "used").open("r+b") as held,
        ThreadPoolExecutor(1) as pool,
    ):
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = pool.submit(fetched, cache, "a", 10)
        assert not waiting.done()
        fcntl.flock(held, fcntl.LOCK_UN)
        assert waiting.result(timeout=30)
