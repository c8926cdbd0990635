"""Answers as frames of an Arrow stream, and back."""

import io
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import pyarrow as pa

FRAME_BYTES = 256 << 10  # a frame is sent when it has this much
MAX_FRAME_BYTES = 1 << 20
WRITTEN = pa.ipc.IpcWriteOptions()  # else made anew, of variables, for each answer


def frames(answer: pa.RecordBatchReader) -> Iterator[bytes]:
    """The answer as an Arrow IPC stream, in frames of 256 KiB to 1 MiB; a small one in one.

    The answer is read as frames are asked for, so a slow reader holds it up.
    """
    begun, size = [], 0
    for batch in answer:
        begun.append(batch)
        size += batch.nbytes
        if size >= FRAME_BYTES:
            yield from _flowing(answer.schema, chain(begun, answer))
            return
    yield _whole(answer.schema, begun)


def _whole(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> bytes:
    """A small answer, written without a call of Python for each piece of it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=WRITTEN) as writer:
        for batch in batches:
            writer.write_batch(batch)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _flowing(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    sink = _Frames()
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), schema, options=WRITTEN) as writer:
        for batch in batches:
            for piece in _pieces(batch):
                writer.write_batch(piece)
                while len(sink.waiting) >= FRAME_BYTES:
                    yield sink.taken()
    while sink.waiting:
        yield sink.taken()


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in runs of rows of about a frame each."""
    n_rows = max(batch.num_rows * FRAME_BYTES // max(batch.nbytes, 1), 1)
    for begin in range(0, max(batch.num_rows, 1), n_rows):
        yield batch.slice(begin, n_rows)


class _Frames(io.RawIOBase):
    """What was written and not sent yet."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.waiting += data
        return len(data)

    def taken(self) -> bytes:
        """The next frame."""
        frame = bytes(self.waiting[:MAX_FRAME_BYTES])
        del self.waiting[:MAX_FRAME_BYTES]
        return frame


def answer(received: Iterable[bytes]) -> pa.RecordBatchReader:
    """The answer that `frames` cut up; frames are asked for as it is read."""
    # Buffered: a raw read may end with its frame, and Arrow takes that for the end of the stream.
    return pa.ipc.open_stream(pa.PythonFile(io.BufferedReader(_Received(received)), "r"))


class _Received(io.RawIOBase):
    """Frames as one file, read forward."""

    def __init__(self, received: Iterable[bytes]) -> None:
        self._frames = iter(received)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            frame = next(self._frames, None)
            if frame is None:
                return 0
            self._rest = memoryview(frame)
        n_bytes = min(len(buffer), len(self._rest))
        buffer[:n_bytes] = self._rest[:n_bytes]
        self._rest = self._rest[n_bytes:]
        return n_bytes
