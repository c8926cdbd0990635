"""Questions as messages, and answers as frames of an Arrow stream; both ways."""

import io
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import pyarrow as pa

from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.errors import InvalidInput
from saelake.store.requests import (
    DocumentQuery,
    ExportQuery,
    FeatureOrder,
    FeaturesQuery,
    Order,
    Per,
    TokensQuery,
)

SERVICE = pb.DESCRIPTOR.services_by_name["Lake"].full_name
FRAME_BYTES = 256 << 10  # a frame is sent when it has this much
MAX_FRAME_BYTES = 1 << 20

# The messages' enums list the choices of the requests, in their order, after UNSPECIFIED.
PER: tuple[Per, ...] = get_args(Per)
ORDER: tuple[Order, ...] = get_args(Order)
FEATURE_ORDER: tuple[FeatureOrder, ...] = get_args(FeatureOrder)


def tokens_message(query: TokensQuery) -> pb.TokensRequest:
    """The query as a message."""
    return pb.TokensRequest(
        collection=query.collection,
        expression=query.expression,
        k=query.k,
        all=True if query.k is None else None,
        per=pb.Per.Name(PER.index(query.per) + 1),
        where=query.where,
        order=pb.Order.Name(ORDER.index(query.order) + 1),
        scope=query.scope,
        context=query.context,
    )


def tokens_query(message: pb.TokensRequest) -> TokensQuery:
    """The query of a message. Raises `InvalidInput`."""
    given = {
        "k": _limit(message),
        "per": _choice(PER, message, "per"),
        "where": _optional(message, "where"),
        "order": _choice(ORDER, message, "order"),
        "scope": _optional(message, "scope"),
        "context": _optional(message, "context"),
    }
    return TokensQuery(
        collection=message.collection, expression=message.expression, **_set(given, message)
    )


def features_message(query: FeaturesQuery) -> pb.FeaturesRequest:
    """The query as a message."""
    return pb.FeaturesRequest(
        collection=query.collection,
        features=_numbers(query.features),
        token=query.token,
        k=query.k,
        all=True if query.k is None else None,
        order=pb.FeatureOrder.Name(FEATURE_ORDER.index(query.order) + 1),
    )


def features_query(message: pb.FeaturesRequest) -> FeaturesQuery:
    """The query of a message. Raises `InvalidInput`."""
    given = {
        "features": _features(message),
        "token": _optional(message, "token"),
        "k": _limit(message),
        "order": _choice(FEATURE_ORDER, message, "order"),
    }
    return FeaturesQuery(collection=message.collection, **_set(given, message))


def document_message(query: DocumentQuery) -> pb.DocumentRequest:
    """The query as a message."""
    return pb.DocumentRequest(
        collection=query.collection,
        id=query.id,
        doc=query.doc,
        features=_numbers(query.features),
    )


def document_query(message: pb.DocumentRequest) -> DocumentQuery:
    """The query of a message. Raises `InvalidInput`."""
    return DocumentQuery(
        collection=message.collection,
        id=_optional(message, "id"),
        doc=_optional(message, "doc"),
        features=_features(message),
    )


def export_message(query: ExportQuery) -> pb.ExportRequest:
    """The query as a message."""
    return pb.ExportRequest(collection=query.collection, where=query.where)


def export_query(message: pb.ExportRequest) -> ExportQuery:
    """The query of a message."""
    where: str | None = _optional(message, "where")
    return ExportQuery(collection=message.collection, where=where)


def verify_message(collection: str | None) -> pb.VerifyRequest:
    """The question as a message."""
    return pb.VerifyRequest(collection=collection)


def verified_collection(message: pb.VerifyRequest) -> str | None:
    """The collection to verify, or None for all."""
    return str(message.collection) if message.HasField("collection") else None


def _numbers(features: tuple[int, ...] | None) -> pb.FeatureList | None:
    return None if features is None else pb.FeatureList(numbers=features)


def _features(message: Any) -> tuple[int, ...] | None:
    return tuple(message.features.numbers) if message.HasField("features") else None


def _optional(message: Any, field: str) -> Any:
    return getattr(message, field) if message.HasField(field) else None


def _limit(message: Any) -> int | None:
    return int(message.k) if message.WhichOneof("limit") == "k" else None


def _choice(choices: tuple[str, ...], message: Any, field: str) -> str | None:
    number = getattr(message, field)
    if not message.HasField(field) or number == 0:
        return None
    if number > len(choices):
        raise InvalidInput(f"{field} has no choice {number}.", field=field)
    return str(choices[number - 1])


def _set(given: dict[str, Any], message: Any) -> dict[str, Any]:
    """What the message says; what it leaves out has the request's own default."""
    unlimited = message.WhichOneof("limit") == "all" and message.all
    return {n: v for n, v in given.items() if v is not None or (n == "k" and unlimited)}


def frames(answer: pa.RecordBatchReader) -> Iterator[bytes]:
    """The answer as an Arrow IPC stream, in frames of 256 KiB to 1 MiB; a small one in one.

    The answer is read as frames are asked for, so a slow reader holds it up.
    """
    sink = _Frames()
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), answer.schema) as writer:
        for batch in answer:
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
