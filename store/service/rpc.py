"""The gRPC service: questions to the engine off the event loop, answers in frames as asked for."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias

import grpc
import pyarrow as pa

from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.engine import Engine
from saelake.store.errors import DeadlineExceeded, LimitExceeded, SaelakeError
from saelake.store.service.limits import Limits
from saelake.store.wire import frames, requests
from saelake.store.wire.errors import to_status
from saelake.store.wire.metadata import at_of
from saelake.store.wire.requests import Message

log = logging.getLogger("saelake.server")

Context: TypeAlias = Any  # grpc.aio.ServicerContext: grpc has no types
Question: TypeAlias = Callable[[], pa.RecordBatchReader]


class LakeService:
    """Answers for one lake; holds no state but snapshots, so any number of servers can share it."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine = engine
        self._limits = limits
        self._n_answers = 0  # changed in the event loop only
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="saelake-answer")

    def handler(self) -> grpc.GenericRpcHandler:
        """What a grpc.aio server is given."""
        handlers = {method: self._handler(method) for method in requests.METHODS}
        handlers |= {former: handlers[method] for former, method in requests.FORMER.items()}
        handlers["Version"] = self._version()
        return grpc.method_handlers_generic_handler(requests.SERVICE, handlers)

    def _handler(self, method: str) -> grpc.RpcMethodHandler:
        cost = requests.METHODS[method].cost
        seconds, most_bytes = self._limits.seconds(cost), self._limits.most_bytes(cost)

        async def answer(message: Message, context: Context) -> None:
            at = at_of(context.invocation_metadata())

            def question() -> pa.RecordBatchReader:
                return self._engine.ask(requests.to_request(method, message), at=at)

            await self._answer(context, question, seconds, most_bytes)

        return grpc.unary_stream_rpc_method_handler(
            answer,
            request_deserializer=requests.message_type(method).FromString,
            response_serializer=pb.Frame.SerializeToString,
        )

    def _version(self) -> grpc.RpcMethodHandler:
        async def answer(_: pb.VersionRequest, __: Context) -> pb.VersionReply:
            said = self._engine.version()
            return pb.VersionReply(
                version=said.version, wire=said.wire, features=said.features, state=said.state
            )

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=pb.VersionRequest.FromString,
            response_serializer=pb.VersionReply.SerializeToString,
        )

    def close(self) -> None:
        """Stop computing; answers that are under way end after their next frame."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """A place among the answers in work. Raises `LimitExceeded` when all are taken."""
        most = self._limits.answers
        if self._n_answers >= most:
            raise LimitExceeded(
                f"The server is at work on {most} answers, the most that it takes at once. Ask "
                "again in a moment.",
                limit_answers=most,
            )
        self._n_answers += 1
        try:
            yield
        finally:
            self._n_answers -= 1

    async def _answer(
        self,
        context: Context,
        question: Question,
        seconds: float,
        most_bytes: int | None,
    ) -> None:
        """Send the frames of an answer; the next is made when the one before is on its way.

        A client that cancels, or whose deadline passes, ends the answer at its next frame.
        Frames are written, not yielded: the time limit must end here, also while a frame waits
        for a slow client, for grpc sends no status when a handler is cancelled inside of it.
        """
        steps = _steps(question)
        run = asyncio.get_running_loop().run_in_executor
        n_bytes, last = 0, False
        try:
            with self._place():
                async with asyncio.timeout(seconds):
                    while not last:
                        frame, last = await run(self._pool, next, steps)
                        n_bytes += len(frame)
                        _check_size(n_bytes, most_bytes)
                        await context.write(pb.Frame(arrow=frame))
        except SaelakeError as error:  # before TimeoutError, which one of them is
            await _abort(context, error)
        except TimeoutError:
            await _abort(
                context,
                DeadlineExceeded(
                    f"The answer took more than the {seconds:g} s that this server allows. Ask for "
                    "less: a smaller k, or a narrower where."
                ),
            )
        except (asyncio.CancelledError, grpc.aio.AbortError):
            raise
        except Exception:
            log.exception("An answer failed")
            message = "The server failed at this; its log says more."
            await context.abort(grpc.StatusCode.INTERNAL, message)
        finally:
            del steps  # an error keeps this frame until the next garbage collection, but no answer


def _steps(question: Question) -> Iterator[tuple[bytes, bool]]:
    """The frames of an answer, each with whether it is the last.

    The one after it is looked for first, so that small answers need one visit to a thread.
    """
    found = frames.frames(question())
    frame = next(found)
    for following in found:
        yield frame, False
        frame = following
    yield frame, True


def _check_size(n_bytes: int, most_bytes: int | None) -> None:
    if most_bytes is not None and n_bytes > most_bytes:
        raise LimitExceeded(
            f"The answer is larger than the {most_bytes} bytes that this server gives. Ask for "
            "less: a smaller k, or a narrower where; or export.",
            limit_bytes=most_bytes,
        )


async def _abort(context: Any, error: SaelakeError) -> None:
    status = to_status(error)
    await context.abort(status.code, status.details, status.trailing_metadata)
