"""A cache keeps what was used last, within its bytes, and reads what was wished for often."""

import time
from threading import Event

from hypothesis import given
from hypothesis import strategies as st

from saelake.store.arrays.cache import IMPATIENCE, PATIENCE, Cache


def settled(cache: Cache) -> None:
    """Wait until nothing is being read."""
    for _ in range(1000):
        if not cache.is_reading:
            return
        time.sleep(0.005)
    raise AssertionError


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12), st.booleans()), max_size=60))
def test_what_was_used_last_is_kept_within_the_bytes(steps: list[tuple[int, int, bool]]) -> None:
    cache, kept = Cache(10), dict[int, tuple[int | None, int]]()
    for key, size, is_put in steps:
        if is_put:
            kept.pop(key, None)
            kept[key] = (size, size) if size <= 10 else (None, 0)
            while sum(n for _, n in kept.values()) > 10:
                del kept[next(iter(kept))]
            cache.put(key, size, size)
        else:
            known = kept.pop(key, None)
            if known is not None:
                kept[key] = known
            assert cache.find(key) == (known and known[0])
        assert cache.n_bytes == sum(n for _, n in kept.values()) <= cache.capacity
    assert [cache.knows(key) for key in range(6)] == [key in kept for key in range(6)]


def test_of_what_is_too_large_only_that_is_kept() -> None:
    cache = Cache(10)
    cache.put("a", "value", 11)
    assert cache.knows("a")
    assert cache.find("a") is None
    assert cache.n_bytes == 0


def test_what_is_wished_for_often_is_read_once_and_then_more_rarely() -> None:
    cache, reads = Cache(10), list[int]()
    for _ in range(PATIENCE):
        cache.wish("a", lambda: reads.append(1))
    settled(cache)
    assert not reads
    cache.wish("a", lambda: reads.append(2))
    settled(cache)
    assert reads == [2]
    for _ in range(PATIENCE * IMPATIENCE):
        cache.wish("a", lambda: reads.append(3))
    settled(cache)
    assert reads == [2]
    cache.wish("a", lambda: reads.append(4))
    settled(cache)
    assert reads == [2, 4]


def test_nobody_waits_for_what_is_read_and_it_is_read_once_at_a_time() -> None:
    cache, go_on, reads = Cache(10), Event(), list[int]()

    def read() -> None:
        reads.append(1)
        assert go_on.wait(10)

    for _ in range(20 * PATIENCE):
        cache.wish("a", read)
    go_on.set()
    settled(cache)
    assert len(reads) == 1


def test_what_cannot_be_read_is_wished_for_again() -> None:
    cache, reads = Cache(10), list[int]()

    def read() -> None:
        reads.append(1)
        raise OSError("gone")

    for _ in range((PATIENCE + 1) * (IMPATIENCE + 1)):
        cache.wish("a", read)
        settled(cache)
    assert len(reads) == 2
