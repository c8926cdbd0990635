"""Work on many items: bounded, as it is done, and ended as a whole."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.language.flow import Flow


class Full(Exception):
    """That nothing more is to be begun."""


async def ticks(n: int) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


@given(st.lists(st.integers(0, 6), max_size=30), st.integers(1, 5))
def test_each_item_is_worked_on_once_and_few_at_once(lasts: list[int], at_most: int) -> None:
    under_way = most = made = given_out = 0

    async def source() -> AsyncIterator[tuple[int, int]]:
        nonlocal made
        for number, n in enumerate(lasts):
            made += 1
            assert made - given_out <= at_most + 1
            yield number, n

    async def work(item: tuple[int, int]) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await ticks(item[1])
        under_way -= 1
        return item[0]

    async def all_of_it() -> list[int]:
        nonlocal given_out
        results = []
        async for result in Flow(source(), work, at_most).results():
            results.append(result)
            given_out += 1
            await ticks(2)
        return results

    assert sorted(asyncio.run(all_of_it())) == list(range(len(lasts)))
    assert most <= at_most


def test_what_is_slow_to_make_holds_up_no_answers() -> None:
    """A source that blocks its thread, until the first answer is there."""
    answered = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        assert answered.wait(30)
        yield 2

    async def work(item: int) -> int:
        answered.set()
        return item

    async def all_of_it() -> list[int]:
        return [item async for item in Flow(source(), work, 2).results()]

    assert asyncio.run(all_of_it()) == [1, 2]


def test_an_error_ends_all_at_once() -> None:
    ended = []

    async def work(item: int) -> int:
        if item == 2:
            raise ValueError(item)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append(item)
            raise
        return item

    async def all_of_it() -> None:
        async for _ in Flow(range(3), work, 3).results():
            pass

    with pytest.raises(ValueError, match="2"):
        asyncio.run(all_of_it())
    assert sorted(ended) == [0, 1]


def test_what_is_under_way_is_given_before_an_end() -> None:
    begun, given_out = [], []

    async def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            raise Full
        await ticks(10)
        return item

    async def all_of_it() -> None:
        async for item in Flow(range(100), work, 3, (Full,)).results():
            given_out.append(item)  # noqa: PERF401  # an error would leave nothing

    with pytest.raises(Full):
        asyncio.run(all_of_it())
    assert sorted(given_out) == [item for item in begun if item != 1]
    assert len(begun) <= 4


def test_a_source_that_fails_is_told() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    async def work(item: int) -> int:
        return item

    async def all_of_it() -> list[int]:
        return [item async for item in Flow(source(), work, 2).results()]

    with pytest.raises(OSError, match="gone"):
        asyncio.run(all_of_it())


def test_who_stops_reading_ends_the_work() -> None:
    begun, ended = asyncio.Event(), []

    async def work(item: int) -> int:
        if item == 1:
            await begun.wait()
            return item
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(item)
        return item

    async def first() -> int:
        results = Flow([1, 2], work, 2).results()
        found = await anext(results)
        await results.aclose()
        return found

    assert asyncio.run(first()) == 1
    assert ended == [2]
