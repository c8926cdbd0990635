"""Reflection: what the server's methods and messages are, for tools that have no lake.proto.

Tools ask by the name of version 1 or by that of before; the messages are the same, and grpcio has
classes for those of before only.
"""

from collections.abc import Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

NAME, NAME_BEFORE = "grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME


def add_reflection(services: Sequence[str], server: Any) -> None:
    """Let a grpc.aio server tell of these services."""
    told = (*services, NAME, NAME_BEFORE)
    reflection.enable_server_reflection(told, server)
    handler = grpc.stream_stream_rpc_method_handler(
        reflection.aio.ReflectionServicer(told).ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, methods),))
