"""Stages that run ahead: the same items in the same order, and no thread left behind."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from saelake.workers.encoder.stages import ahead

PATIENCE_S = 5


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    ended = time.monotonic() + PATIENCE_S
    while left := set(threading.enumerate()) - before:
        assert time.monotonic() < ended, f"still running: {left}"
        time.sleep(0.01)


class Counted:
    """Numbers from 0, and how many of them were made."""

    def __init__(self, stop: int) -> None:
        self.stop = stop
        self.n_made = 0
        self.closed = False

    def __iter__(self) -> Iterator[int]:
        try:
            for number in range(self.stop):
                self.n_made += 1
                yield number
        finally:
            self.closed = True


@pytest.mark.parametrize("depth", [1, 2, 7])
@pytest.mark.parametrize("n", [0, 1, 20])
def test_items_keep_their_order(n: int, depth: int) -> None:
    assert list(ahead(range(n), depth=depth)) == list(range(n))
    assert list(ahead(ahead(Counted(n), depth=depth), depth=1)) == list(range(n))


def test_an_error_comes_after_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise ZeroDivisionError("the third")

    items = ahead(ahead(failing(), depth=1), depth=1)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ZeroDivisionError, match="the third"):
        next(items)


def test_no_more_than_depth_is_made_before_it_is_asked_for() -> None:
    numbers = Counted(100)
    with closing(ahead(numbers, depth=3)) as items:
        assert next(items) == 0
        time.sleep(0.3)
        # One was taken, three wait, and one more is made that finds no place.
        assert 1 < numbers.n_made <= 1 + 3 + 1


def test_closing_stops_every_stage_before() -> None:
    numbers = Counted(10**9)
    items = ahead((2 * n for n in ahead(numbers, depth=2)), depth=1)
    assert [next(items) for _ in range(3)] == [0, 2, 4]
    items.close()
    assert numbers.closed


def test_a_consumer_that_fails_stops_the_stage() -> None:
    numbers = Counted(10**9)

    def consume() -> None:
        for _ in ahead(numbers, depth=1):
            raise KeyError

    with pytest.raises(KeyError):
        consume()
    assert numbers.closed


def test_stages_overlap() -> None:
    """Two threads meet, which they can only do if both are at work at once."""
    meeting = threading.Barrier(2, timeout=PATIENCE_S)

    def slow() -> Iterator[int]:
        yield 0
        meeting.wait()
        yield 1

    for item in ahead(slow(), depth=1):
        if item == 0:
            meeting.wait()
