"""Places, and who gets the next one; no clock is waited for."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from saelake.store.errors import LimitExceeded
from saelake.store.service.lanes.places import LanePlaces, LaneRoom


def places(**room: Any) -> LanePlaces:
    usual: dict[str, Any] = {"places": 4, "waiting": 8, "wait_s": 60.0, "caller_share": 0.5}
    return LanePlaces(LaneRoom(**(usual | room)))


class Asker:
    """Asks for places of a caller, and notes in `order` who was given one."""

    def __init__(self, among: LanePlaces, name: str, order: list[str]) -> None:
        self._among, self.name, self._order = among, name, order
        self.held: list[float] = []

    async def ask(self) -> None:
        self.held.append(await self._among.take(self.name))
        self._order.append(self.name)

    def give(self) -> None:
        self._among.give(self.name, self.held.pop())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_one_caller_cannot_take_all_places() -> None:
    async def test() -> None:
        among, order = places(), list[str]()
        greedy, other = Asker(among, "greedy", order), Asker(among, "other", order)
        asking = [asyncio.create_task(greedy.ask()) for _ in range(6)]
        await settle()
        assert order == ["greedy"] * 2
        await other.ask()
        assert among.n_taken == 3
        assert among.n_waiting == 4
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert among.n_waiting == 0

    run(test)


def test_the_next_place_is_of_who_has_the_fewest_and_then_of_who_came_first() -> None:
    async def test() -> None:
        among, order = places(places=2, caller_share=1.0), list[str]()
        a, b, c = (Asker(among, name, order) for name in "abc")
        await a.ask()
        await a.ask()
        asking = []
        for asker in (a, b, c, b):
            asking.append(asyncio.create_task(asker.ask()))
            await settle()
        a.give()
        await settle()
        assert order[2:] == ["b"], "a has a place still"
        a.give()
        await settle()
        assert order[3:] == ["a"] or order[3:] == ["c"]
        assert order[3:] != ["b"]
        for _ in range(2):
            for asker in (a, b, c):
                if asker.held:
                    asker.give()
            await settle()
        assert sorted(order[2:]) == ["a", "b", "b", "c"]
        await asyncio.gather(*asking)

    run(test)


def test_those_who_wait_too_long_or_are_too_many_are_told_when_to_come_again() -> None:
    async def test() -> None:
        among = places(places=1, waiting=2, wait_s=0.01)
        await among.take("a")
        with pytest.raises(LimitExceeded, match="Ask again in 1 s") as caught:
            await among.take("b")
        assert caught.value.data == {"limit_places": "1", "retry_after_s": "1"}
        patient = places(places=1, waiting=2)
        await patient.take("a")
        waiting = [asyncio.create_task(patient.take(name)) for name in "ab"]
        await settle()
        for name in "abc":
            with pytest.raises(LimitExceeded, match="and 2 wait"):
                await patient.take(name)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    run(test)


def test_a_place_that_comes_as_its_asker_leaves_goes_to_the_next() -> None:
    async def test() -> None:
        among = places(places=1)
        since = await among.take("a")
        leaving = asyncio.create_task(among.take("b"))
        next_one = asyncio.create_task(among.take("c"))
        await settle()
        among.give("a", since)  # it is b's now, who has not heard of it yet
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        among.give("c", await next_one)
        assert (among.n_taken, among.n_waiting) == (0, 0)

    run(test)


def test_nobody_overtakes_those_who_wait() -> None:
    async def test() -> None:
        among, order = places(places=1), list[str]()
        first, second, third = (Asker(among, name, order) for name in "abb")
        await first.ask()
        waiting = asyncio.create_task(second.ask())
        await settle()
        later = asyncio.create_task(third.ask())
        await settle()
        first.give()
        await settle()
        assert second.held
        assert not third.held
        second.give()
        await asyncio.gather(waiting, later)
        third.give()

    run(test)
