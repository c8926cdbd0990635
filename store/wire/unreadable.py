"""Messages as bytes: those that are none are the caller's mistake, where grpc blames the server."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from saelake.store.errors import InvalidInput


def reading(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Reads messages, and raises `InvalidInput` for bytes that are none."""

    def read(sent: bytes) -> Any:
        try:
            return deserialize(sent)
        except DecodeError as error:
            raise InvalidInput(
                f"The {len(sent)} bytes of the request are not the message that this method takes "
                f"({error}). Is the client made of this server's lake.proto?"
            ) from error

    return read
