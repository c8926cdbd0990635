"""Turns at a model: first come, first served, and who waits knows his place."""

import time
from collections.abc import Callable
from functools import partial
from threading import Event, Thread

import pytest

from saelake.store.requests.waited.progress import Progress, Teller, telling
from saelake.store.requests.waited.stopping import Stopped, stopping
from saelake.workers.texts.turns import ModelTurns


class Taker(Thread):
    """Takes a turn, and hears where in line it waits."""

    def __init__(self, turns: ModelTurns, had: list["Taker"]) -> None:
        super().__init__(daemon=True)
        self.unwanted, self.told = Event(), list[Progress]()
        self.was_stopped = False
        self._turns, self._had = turns, had

    def run(self) -> None:
        try:
            teller = Teller(self.told.append, 0)
            with stopping(self.unwanted.is_set), telling(teller), self._turns.turn():
                self._had.append(self)
        except Stopped:
            self.was_stopped = True

    def has_places(self, *places: str) -> bool:
        """Whether it was told these, and no others."""
        return [told.stage for told in self.told] == [*places]


def begin(*takers: Taker) -> None:
    """Have them wait, one behind the other."""
    for number, taker in enumerate(takers, 1):
        taker.start()
        until(partial(taker.has_places, place(number)))


def until(holds: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < 20
        time.sleep(0.01)


def place(number: int) -> str:
    return f"waiting for the model, place {number} in line"


def test_turns_are_taken_as_they_are_asked_for_and_each_hears_his_place() -> None:
    turns, had = ModelTurns(), list[Taker]()
    takers = [Taker(turns, had) for _ in range(3)]
    with turns.turn():
        begin(*takers)
        assert had == []
    for taker in takers:
        taker.join(20)
    assert had == takers
    assert takers[0].has_places(place(1))
    assert [told.step for told in takers[0].told] == [1]


def test_who_left_is_not_waited_for_and_the_others_move_up() -> None:
    turns, had = ModelTurns(), list[Taker]()
    gone, stays = Taker(turns, had), Taker(turns, had)
    with turns.turn():
        begin(gone, stays)
        gone.unwanted.set()
        gone.join(20)
        assert gone.was_stopped
        until(lambda: stays.has_places(place(2), place(1)))
    stays.join(20)
    assert had == [stays]


def test_a_turn_that_fails_is_over() -> None:
    turns = ModelTurns()
    with pytest.raises(ZeroDivisionError), turns.turn():
        raise ZeroDivisionError
    heard = list[Progress]()
    with telling(Teller(heard.append)), turns.turn():
        assert heard == [], "nobody was before"
