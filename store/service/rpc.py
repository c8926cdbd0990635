"""The gRPC service: questions to the lanes that answer them, answers in frames as asked for."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc

from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.errors import DeadlineExceeded, LimitExceeded, SaelakeError
from saelake.store.reports import ServerVersion
from saelake.store.requests.request import Cost
from saelake.store.requests.waited.progress import Progress
from saelake.store.service.access.grants import check_at
from saelake.store.service.caller import asker_of, caller
from saelake.store.service.lanes.asking import Asking
from saelake.store.service.lanes.lane import Lane
from saelake.store.service.lanes.paced import paced
from saelake.store.service.lanes.places import LanePlaces
from saelake.store.service.limits import Limits
from saelake.store.wire import requests
from saelake.store.wire.metadata import at_of, tells_of
from saelake.store.wire.progress import Part, frame_of
from saelake.store.wire.requests import Message

Context: TypeAlias = Any  # grpc.aio.ServicerContext: grpc has no types

LONGEST_KNOWN = 4096  # bytes of a message of which the kind is looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class SentQuestion:
    """A question as it was sent."""

    method: str
    message: Message
    at: str | None

    def asking(self) -> Asking:
        """What is asked. Raises `InvalidInput`."""
        return Asking(request=requests.to_request(self.method, self.message), at=self.at)

    @property
    def kind(self) -> Hashable | None:
        """What questions have in common that take about as long; None of a large one."""
        sent: Any = self.message
        if sent.ByteSize() > LONGEST_KNOWN:
            return None
        names = tuple(field.name for field, _ in sent.ListFields())
        of = getattr(sent, "collection", ""), getattr(sent, "where", "")
        return self.method, self.at, names, of


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How questions of one cost are answered."""

    lane: Lane
    places: LanePlaces
    seconds: float
    idle_s: float | None  # None where `seconds` are over before
    most_bytes: int | None


class LakeService:
    """Answers for one lake; holds no state but snapshots, so any number of servers can share it."""

    def __init__(
        self, lanes: Mapping[Cost, Lane], limits: Limits, version: Callable[[], ServerVersion]
    ) -> None:
        self._lanes = lanes
        self._said_version = version
        self._ways = {
            cost: Way(
                lane=lane,
                places=LanePlaces(limits.room(cost)),
                seconds=limits.seconds(cost),
                idle_s=limits.idle_s if limits.idle_s < limits.seconds(cost) else None,
                most_bytes=limits.most_bytes(cost),
            )
            for cost, lane in lanes.items()
        }

    def handler(self) -> grpc.GenericRpcHandler:
        """What a grpc.aio server is given."""
        handlers = {method: self._handler(method) for method in requests.METHODS}
        handlers |= {former: handlers[method] for former, method in requests.FORMER.items()}
        handlers["Version"] = self._version()
        return grpc.method_handlers_generic_handler(requests.SERVICE, handlers)

    def _handler(self, method: str) -> grpc.RpcMethodHandler:
        way = self._ways[requests.METHODS[method].cost]

        async def answer(message: Message, context: Context) -> None:
            sent = context.invocation_metadata()
            at = at_of(sent)
            check_at(caller(), at)

            question = SentQuestion(method=method, message=message, at=at)
            await _answer(context, question, way, tells=tells_of(sent))

        return grpc.unary_stream_rpc_method_handler(
            answer,
            request_deserializer=requests.message_type(method).FromString,
            response_serializer=pb.Frame.SerializeToString,
        )

    def _version(self) -> grpc.RpcMethodHandler:
        async def answer(_: pb.VersionRequest, __: Context) -> pb.VersionReply:
            said = self._said_version()
            return pb.VersionReply(
                version=said.version, wire=said.wire, features=said.features, state=said.state
            )

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=pb.VersionRequest.FromString,
            response_serializer=pb.VersionReply.SerializeToString,
        )

    def prepare(self) -> None:
        """Let lanes make ready what questions would wait for."""
        for lane in set(self._lanes.values()):
            lane.prepare()

    def waiting(self) -> Mapping[str, int]:
        """How many answers of each cost wait for a place."""
        return {cost: way.places.n_waiting for cost, way in self._ways.items()}

    @property
    def is_computing(self) -> bool:
        """Whether something is computed that nobody can end, though its caller may have left."""
        return any(lane.is_computing for lane in self._lanes.values())

    async def close(self) -> None:
        """Stop computing."""
        for lane in set(self._lanes.values()):
            await lane.close()


async def _answer(context: Context, question: SentQuestion, way: Way, *, tells: bool) -> None:
    """Send an answer, in the time that there is for it.

    Frames are written, not yielded: the time limits must end here, also while a frame waits for a
    slow client, for grpc sends no status when a handler is cancelled inside of it.
    """
    try:
        async with asyncio.timeout(way.seconds):
            await _send(context, question, way, tells=tells)
    except SaelakeError:  # before TimeoutError, which one of them is
        raise
    except TimeoutError:
        raise DeadlineExceeded(
            f"The answer took more than the {way.seconds:g} s that this server allows. Ask for "
            "less: a smaller k, or a narrower where."
        ) from None


async def _send(context: Context, question: SentQuestion, way: Way, *, tells: bool) -> None:
    """Send the frames of an answer; the next is made when the one before is on its way.

    Where it `tells`, also how far it is, as it goes on.
    """
    by, n_bytes = asker_of(context), 0
    async with (
        _place(way.places, by),
        aclosing(_parts(way.lane, question, by, tells=tells)) as parts,
    ):
        async for part in parts:
            if not isinstance(part, Progress):
                n_bytes += len(part)
                _check_size(n_bytes, way.most_bytes)
            await _write(context, part, way.idle_s)


def _parts(
    lane: Lane, question: SentQuestion, by: str, *, tells: bool
) -> AsyncGenerator[Part, None]:
    """The parts of an answer, in which what tells of its progress comes now and then."""
    parts = lane.answer(question.asking, by, tells=tells, kind=question.kind)
    return paced(parts) if tells else parts


@asynccontextmanager
async def _place(places: LanePlaces, by: str) -> AsyncIterator[None]:
    """A place among the answers in work. Raises `LimitExceeded` when none comes free."""
    since = await places.take(by)
    try:
        yield
    finally:
        places.give(by, since)


async def _write(context: Context, part: Part, idle_s: float | None) -> None:
    if idle_s is None:
        await context.write(frame_of(part))
        return
    try:
        async with asyncio.timeout(idle_s):
            await context.write(frame_of(part))
    except TimeoutError:
        raise DeadlineExceeded(
            f"Nobody read this answer for the {idle_s:g} s that this server keeps a place for one. "
            "Read on as it comes, or ask for less.",
            idle_s=f"{idle_s:g}",
        ) from None


def _check_size(n_bytes: int, most_bytes: int | None) -> None:
    if most_bytes is not None and n_bytes > most_bytes:
        raise LimitExceeded(
            f"The answer is larger than the {most_bytes} bytes that this server gives. Ask for "
            "less: a smaller k, or a narrower where; or export.",
            limit_bytes=most_bytes,
        )
