"""grpc's handlers, whatever of a call and its answer is a stream."""

import inspect
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, TypeAlias

import grpc

Behaviour: TypeAlias = Callable[[Any, Any], Any]  # of a message and a context
Answer: TypeAlias = Callable[[Any, Any], Awaitable[Any]]


def parts(handler: grpc.RpcMethodHandler) -> tuple[Behaviour, Callable[..., Any]]:
    """What a handler does, and what makes one of its kind."""
    if handler.request_streaming and handler.response_streaming:
        return handler.stream_stream, grpc.stream_stream_rpc_method_handler
    if handler.request_streaming:
        return handler.stream_unary, grpc.stream_unary_rpc_method_handler
    if handler.response_streaming:
        return handler.unary_stream, grpc.unary_stream_rpc_method_handler
    return handler.unary_unary, grpc.unary_unary_rpc_method_handler


def of_stream(handler: grpc.RpcMethodHandler) -> Callable[..., Any]:
    """What makes a handler of such answers that is called before a message has come."""
    if handler.response_streaming:
        make: Callable[..., Any] = grpc.stream_stream_rpc_method_handler
        return make
    return grpc.stream_unary_rpc_method_handler  # type: ignore[no-any-return]  # grpc has no types


@lru_cache(maxsize=256)  # asked for each call
def written(behaviour: Behaviour) -> Answer:
    """It, as what writes its messages where it may yield them: a stream can be ended only so."""
    if not inspect.isasyncgenfunction(behaviour):
        return behaviour

    async def answer(message: Any, context: Any) -> None:
        async for one in behaviour(message, context):
            await context.write(one)

    return answer
