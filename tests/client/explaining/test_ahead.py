"""Items that a thread makes ahead, and labels that are written in batches."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from saelake.explaining.run import batches
from saelake.explaining.run.ahead import Ahead
from saelake.explaining.run.batches import LabelBatches
from saelake.explaining.run.explained import ExplainedFeature
from saelake.store.errors import NotFound


def test_items_come_in_order_from_one_thread_and_not_too_far_ahead() -> None:
    made: list[int] = []
    threads = set()

    def items() -> Iterator[int]:
        for number in range(20):
            made.append(number)
            threads.add(threading.get_ident())
            yield number

    async def take() -> list[int]:
        taken = []
        async with Ahead(items(), 3) as ahead:
            async for item in ahead.items():
                await asyncio.sleep(0.005)
                assert len(made) <= item + 1 + 3
                taken.append(item)
        return taken

    assert asyncio.run(take()) == list(range(20))
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_what_the_iterator_raises_is_raised_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise NotFound("gone")

    async def take(taken: list[int]) -> None:
        async with Ahead(items(), 3) as ahead:
            async for item in ahead.items():
                taken.append(item)  # noqa: PERF401  # those before the error count

    taken: list[int] = []
    with pytest.raises(NotFound, match="gone"):
        asyncio.run(take(taken))
    assert taken == [1]


def test_leaving_early_ends_the_thread() -> None:
    def items() -> Iterator[int]:
        yield from range(10**9)

    async def leave() -> None:
        async with Ahead(items(), 2) as ahead:
            async for _ in ahead.items():
                break

    before = threading.active_count()
    asyncio.run(leave())
    assert threading.active_count() == before


def label(number: int) -> ExplainedFeature:
    return ExplainedFeature(feature=number, label=f"label {number}", explainer="x")


def test_labels_are_written_in_batches_the_first_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_WAITING", 4)
    written: list[list[int]] = []

    def write(found: object) -> None:
        written.append([int(each.feature) for each in found])  # type: ignore[attr-defined]
        time.sleep(0.01)

    async def go() -> int:
        waiting = LabelBatches(write)
        for number in range(11):
            await waiting.add(label(number))
            await asyncio.sleep(0.02)
        await waiting.close()
        return waiting.n_written

    assert asyncio.run(go()) == 11
    assert written == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]


def test_a_batch_that_is_refused_is_told_at_the_next() -> None:
    def write(_: object) -> None:
        raise NotFound("no such dictionary")

    async def go() -> None:
        waiting = LabelBatches(write)
        await waiting.add(label(1))
        await asyncio.sleep(0.05)
        await waiting.add(label(2))

    with pytest.raises(NotFound):
        asyncio.run(go())
