"""Answers survive being cut into frames."""

import numpy as np
import pyarrow as pa

from saelake.store.wire import frames as wire


def reader(*batches: pa.RecordBatch) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(batches[0].schema, batches)


def numbers(n: int) -> pa.RecordBatch:
    return pa.record_batch({"n": np.random.default_rng(n).integers(0, 2**60, n)})


def test_a_small_answer_is_one_frame() -> None:
    frames = list(wire.frames(reader(numbers(100), numbers(50))))
    assert len(frames) == 1
    assert wire.answer(frames).read_all().num_rows == 150


def test_frames_of_a_large_answer_are_bounded() -> None:
    batches = [numbers(n) for n in (200_000, 1, 0, 77, 300_000)]
    frames = list(wire.frames(reader(*batches)))
    assert all(wire.FRAME_BYTES <= len(f) <= wire.MAX_FRAME_BYTES for f in frames[:-1])
    assert wire.answer(frames).read_all().equals(pa.Table.from_batches(batches))


def test_a_row_larger_than_a_frame_is_cut() -> None:
    batch = pa.record_batch({"text": ["x" * (3 << 20), "y"]})
    frames = list(wire.frames(reader(batch)))
    assert max(map(len, frames)) <= wire.MAX_FRAME_BYTES
    assert wire.answer(frames).read_all().to_pylist() == batch.to_pylist()


def test_an_empty_answer_has_its_columns() -> None:
    schema = pa.schema([("n", pa.int64())])
    frames = list(wire.frames(pa.RecordBatchReader.from_batches(schema, [])))
    assert len(frames) == 1
    assert wire.answer(frames).read_all().schema == schema


def test_an_answer_is_read_as_it_is_asked_for() -> None:
    made: list[int] = []

    def batches() -> object:
        for i in range(100):
            made.append(i)
            yield numbers(100_000)

    schema = numbers(0).schema
    frames = wire.frames(pa.RecordBatchReader.from_batches(schema, batches()))
    next(frames)
    assert len(made) == 1, "nothing may be read ahead of a slow client"
