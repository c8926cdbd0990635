"""Bytes that are no message: the caller's mistake, where grpc would say that the server failed."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

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
