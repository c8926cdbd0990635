"""Filters over documents: evaluated batch for batch, for as long as somebody waits."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from saelake.store.documents.filters import FilterCache, matching_documents
from saelake.store.engine import Engine
from saelake.store.errors import InvalidFilter
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.waited.stopping import Stopped, stopping
from saelake.store.service.lanes.asking import Asking
from saelake.store.service.lanes.threads import ThreadLane
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table

N, AT_ONCE = 60_000, 2048
TEXT = "the quick brown fox jumps over the lazy dog " * 20
COSTLY = "regexp_like(lower(text), '(a|b|c)+(x|y|z)*(quick|slow).*(never)+')"  # and keeps none


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Documents of which a filter on the text takes some time."""
    numbers = np.arange(N, dtype=np.uint64)
    ends = pa.array([f"{TEXT}{number}" for number in numbers.tolist()])
    some = pa.array(numbers % 7, mask=numbers % 5 == 0)
    rows = pa.record_batch({"doc": numbers, "text": ends, "some": some})
    table = Table.open_or_create(str(tmp_path_factory.mktemp("costly") / "t.lance"), rows.schema)
    draft = table.write([rows])
    return table.commit(lambda _: Change(add=draft))


def test_a_filter_says_of_each_document_what_it_means(documents: Table) -> None:
    number = np.arange(N)
    for where, expected in {
        "lower(text) LIKE '%77'": number % 100 == 77,
        "some + 0 = 3": (number % 7 == 3) & (number % 5 != 0),
        "NOT (some + 0 = 3)": (number % 7 != 3) & (number % 5 != 0),
        "some + 0 IS NULL": number % 5 == 0,
        COSTLY: np.zeros(N, np.bool_),
    }.items():
        assert np.array_equal(matching_documents(documents, where), expected), where


def test_a_row_that_cannot_be_judged_is_refused_as_a_filter(documents: Table) -> None:
    with pytest.raises(InvalidFilter, match="Cannot cast"):
        matching_documents(documents, "CAST(text AS int) = 1")


def test_it_is_looked_between_batches_whether_somebody_waits(documents: Table) -> None:
    looks = 0

    def look() -> bool:
        nonlocal looks
        looks += 1
        return False

    with stopping(look):
        matching_documents(documents, COSTLY)
    assert looks >= N // AT_ONCE, "though no document is kept"


def test_a_filter_that_nobody_waits_for_ends_and_what_works_at_it_rests(documents: Table) -> None:
    began = time.process_time()
    matching_documents(documents, COSTLY)
    whole_s = time.process_time() - began
    looks = 0

    def is_unwanted() -> bool:
        nonlocal looks
        looks += 1
        return looks > 2

    began = time.process_time()
    with stopping(is_unwanted), pytest.raises(Stopped):
        matching_documents(documents, COSTLY)
    time.sleep(0.2)  # in which the engine would go on, if it did
    assert time.process_time() - began < whole_s / 2


@pytest.mark.parametrize("n_parts", [3, 30])
def test_conditions_in_memory_are_looked_between_as_well(documents: Table, n_parts: int) -> None:
    looks = 0

    def is_unwanted() -> bool:
        nonlocal looks
        looks += 1
        return looks > n_parts

    where = " OR ".join(f"some = {number}" for number in range(40))
    with stopping(is_unwanted), pytest.raises(Stopped):
        in_memory(documents).mask(where)
    assert looks == n_parts + 1


def in_memory(documents: Table) -> FilterCache:
    return FilterCache(documents, columns=_Columns(documents))  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Columns:
    """Columns that are there already."""

    documents: Table

    def words(self, name: str) -> pa.Array:
        return self.documents.read([name])[name].combine_chunks()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtering(Asking):
    """Asks for the documents of a costly filter, again and again."""

    uri: str

    def answer(self, engine: Engine) -> pa.RecordBatchReader:
        for _ in range(100):
            matching_documents(Table.open(self.uri), COSTLY)
        return engine.ask(self.request)


def test_the_thread_of_a_caller_who_left_is_free_again(documents: Table, tmp_path: Path) -> None:
    asking = Filtering(request=InfoQuery(), uri=documents.uri)

    async def test() -> None:
        lane = ThreadLane(Engine(str(tmp_path)), 1, 1.0)
        async with aclosing(lane.answer(lambda: asking, "me")) as found:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await anext(found)
        assert lane.is_computing
        began = time.monotonic()
        while lane.is_computing:
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.01)
        before = time.process_time()
        await asyncio.sleep(0.3)
        assert time.process_time() - before < 0.15, "nothing goes on"
        await lane.close()

    asyncio.run(test())
