"""Arrow streams that somebody sent: read message by message, and nothing of them believed."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

# Where the flatbuffers of Arrow's columnar format (Message.fbs) have these fields in their tables.
HEADER, COMPRESSION = 2, 3


def sent_schema(path: Path) -> pa.Schema:
    """The columns of a stream in a file. Raises `pyarrow.ArrowException` where it is none."""
    with pa.OSFile(str(path)) as file:
        return pa.ipc.read_schema(_next(pa.ipc.MessageReader.open_stream(file)))


def sent_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The batches of a stream in a file, whose columns hold together; texts need not be UTF-8.

    Raises `pyarrow.ArrowException`, also where a batch is compressed: it could unfold to more than
    there is memory; and where columns have dictionaries.
    """
    with pa.OSFile(str(path)) as file:
        messages = pa.ipc.MessageReader.open_stream(file)
        schema = pa.ipc.read_schema(_next(messages))
        for message in messages:
            if message.type != "record batch":
                raise pa.ArrowInvalid(f"a {message.type} is not taken")
            if _is_compressed(message.metadata):
                raise pa.ArrowInvalid("a compressed batch is not taken")
            batch = pa.ipc.read_record_batch(message, schema)
            for column in batch.columns:
                _check(column)
            yield batch


def _next(messages: pa.ipc.MessageReader) -> pa.ipc.Message:
    try:
        return messages.read_next_message()
    except StopIteration as error:
        raise pa.ArrowInvalid("there is nothing") from error


def _check(column: pa.Array) -> None:
    """Raise `pyarrow.ArrowInvalid` where a column's parts do not fit together."""
    if pa.types.is_string(column.type):
        buffers, offset = column.buffers(), column.offset
        column = pa.Array.from_buffers(pa.binary(), len(column), buffers, offset=offset)
    column.validate(full=True)


def _is_compressed(metadata: pa.Buffer) -> bool:
    """Whether the batch that a message's flatbuffer describes is compressed."""
    data = metadata.to_pybytes()
    try:
        message = struct.unpack_from("<I", data, 0)[0]
        at = _field(data, message, HEADER)
        batch = at + struct.unpack_from("<I", data, at)[0]
        return _field(data, batch, COMPRESSION) != 0
    except struct.error as error:
        raise pa.ArrowInvalid("a message is damaged") from error


def _field(data: bytes, table: int, number: int) -> int:
    """Where a table of a flatbuffer has this field; 0 where it has it not."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    (n_bytes,) = struct.unpack_from("<H", data, vtable)
    entry = 4 + 2 * number
    if entry + 2 > n_bytes:
        return 0
    offset: int = struct.unpack_from("<H", data, vtable + entry)[0]
    return table + offset if offset else 0
