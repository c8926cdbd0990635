"""Work that nobody waits for ends between two pieces."""

from collections.abc import Iterator
from threading import Event

import pyarrow as pa
import pytest

from saelake.store.codes.executor import Threads
from saelake.store.requests.waited.stopping import Stopped, look, stopping, wanted


def test_work_goes_on_while_somebody_waits() -> None:
    look()
    with stopping(Event().is_set):
        assert list(Threads(2).map(abs, [-1, -2, -3])) == [1, 2, 3]
        assert list(wanted("ab")) == ["a", "b"]


def test_a_map_ends_when_nobody_waits_any_more() -> None:
    unwanted, done = Event(), list[int]()

    def work(item: int) -> int:
        done.append(item)
        return item

    found = Threads(2).map(work, range(1000))
    with stopping(unwanted.is_set):
        assert [next(found) for _ in range(5)] == [0, 1, 2, 3, 4]
        unwanted.set()
        with pytest.raises(Stopped):
            next(found)
    assert len(done) < 20
    look()  # outside of the block nobody is asked


def test_an_answer_that_arrow_reads_ends_as_well() -> None:
    unwanted = Event()
    batch = pa.record_batch({"n": [1, 2, 3]})

    def batches() -> Iterator[pa.RecordBatch]:
        while True:
            look()
            yield batch

    reader = pa.RecordBatchReader.from_batches(batch.schema, batches())
    with stopping(unwanted.is_set):
        assert reader.read_next_batch().num_rows == 3
        unwanted.set()
        with pytest.raises(Stopped):
            reader.read_next_batch()
