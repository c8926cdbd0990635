"""What is kept is never older than promised, and few wait for it."""

from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.store.snapshot.fresh import FRESH_S, Fresh


class Clock:
    """A clock that is set, and the thing that changes with it: the time itself."""

    def __init__(self) -> None:
        self.now = 0.0
        self.n_looks = 0

    def time(self) -> float:
        return self.now

    def look(self, before: float | None) -> float:
        self.n_looks += 1
        return self.now


@given(st.lists(st.floats(0.0, 2.0), min_size=1, max_size=50))
def test_a_value_is_never_older_than_promised_however_often_it_is_asked(steps: list[float]) -> None:
    clock = Clock()
    fresh = Fresh(clock.look, clock.time, lambda look: look())
    for step in steps:
        clock.now += step
        assert clock.now - fresh.value() < FRESH_S
    assert clock.n_looks <= 1 + 2 * clock.now / FRESH_S


def test_who_asks_early_goes_on_with_what_is_fresh_and_waits_for_nothing_else() -> None:
    clock, looking, go_on = Clock(), Event(), Event()

    def look(before: int | None) -> int:
        if before is not None:
            looking.set()
            assert go_on.wait(10)
        clock.look(None)
        return clock.n_looks

    fresh = Fresh(look, clock.time)
    assert fresh.value() == 1
    clock.now = 0.6 * FRESH_S
    assert fresh.value() == 1  # at once: the look is beside it
    assert looking.wait(10)
    assert fresh.value() == 1
    clock.now = 1.2 * FRESH_S
    found: list[int] = []
    waiter = Thread(target=lambda: found.append(fresh.value()))
    waiter.start()
    waiter.join(0.2)
    assert not found  # what it would get is too old
    go_on.set()
    waiter.join(10)
    assert found == [2]  # of the other's look, which began less than a second before its question
    assert clock.n_looks == 2


def test_a_look_that_fails_is_made_again() -> None:
    clock = Clock()

    def look(before: float | None) -> float:
        if clock.now == 0:
            raise LookupError("not yet")
        return clock.look(before)

    fresh = Fresh(look, clock.time)
    with pytest.raises(LookupError):
        fresh.value()
    clock.now = 0.1
    assert fresh.value() == 0.1


def test_a_look_that_fails_beside_questions_is_heard_of_when_it_is_needed() -> None:
    clock = Clock()

    def look(before: float | None) -> float:
        if before is not None:
            raise LookupError("gone")
        return clock.look(before)

    fresh = Fresh(look, clock.time, lambda look: look())
    assert fresh.value() == 0
    clock.now = 0.9 * FRESH_S
    assert fresh.value() == 0
    clock.now = FRESH_S
    with pytest.raises(LookupError):
        fresh.value()
