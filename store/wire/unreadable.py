"""Messages as bytes: those that are none are the caller's mistake, where grpc blames the server."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.errors import InvalidInput


def reading(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Reads messages; of bytes that are none it gives the `InvalidInput` to answer with."""

    def read(sent: bytes) -> Any:
        try:
            return deserialize(sent)
        except DecodeError as error:
            return InvalidInput(
                f"The {len(sent)} bytes of the request are not the message that this method takes "
                f"({error}). Is the client made of this server's lake.proto?"
            )

    return read


def collection_in(service: str, method: str, message: object) -> str:
    """The collection that a request is of, be it read or as it was sent; empty where it is of none.

    What cannot be read is of none.
    """
    with suppress(DecodeError, KeyError):
        if isinstance(message, bytes):
            message = _message_type(service, method).FromString(message)
        named = getattr(message, "collection", "")
        return named if isinstance(named, str) else ""
    return ""


def _message_type(service: str, method: str) -> Any:
    name = service.rpartition(".")[2]
    return GetMessageClass(pb.DESCRIPTOR.services_by_name[name].methods_by_name[method].input_type)
