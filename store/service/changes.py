"""The gRPC service of what changes a lake: commands off the event loop, reports as messages."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeAlias, get_args

import grpc

from saelake.store.errors import (
    InvalidInput,
    LimitExceeded,
    PermissionDenied,
    Unavailable,
)
from saelake.store.growth.told import Told
from saelake.store.health.repair import repair
from saelake.store.lake.jobs import JobLog, no_job
from saelake.store.lake.lake import Lake
from saelake.store.reports import ENDED
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.jobs import (
    CancelJobCommand,
    StartLabelCommand,
    WatchJobCommand,
)
from saelake.store.requests.commands.labels import LabelsCommand
from saelake.store.requests.request import Right
from saelake.store.service.access.grants import check_corpora, check_labels
from saelake.store.service.caller import asker_of, caller
from saelake.store.service.jobs.runner import JobRunner
from saelake.store.service.lanes.places import LanePlaces
from saelake.store.service.limits import Limits
from saelake.store.wire.commands import (
    CHANGES,
    COMMANDS,
    from_message,
    input_type,
    output_type,
    to_message,
)

Context: TypeAlias = Any  # grpc.aio.ServicerContext: grpc has no types
OPEN_FILES = Path("/proc/self/fd")  # which Linux has: each is opened anew, from its beginning
KINDS = ("changes", "commands", "watches")  # limits, of commands that go on at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What a server does beside answering: commands that need one of these rights.

    Who sends one needs the right as well. With `hub` jobs may fetch models and dictionaries, and
    corpora are embedded with a `sentence_model` (a folder or a hub id) if nothing else is known.
    """

    rights: frozenset[Right] = field(default_factory=frozenset)
    hub: bool = False
    sentence_model: str | None = None

    def check(self, command: Command | type[Command]) -> None:
        """Raise `PermissionDenied` for a command that this server does not carry out."""
        if command.right != "read" and command.right not in self.rights:
            raise PermissionDenied(
                f"This server does not take {command.command}: it was started without `--allow "
                f"{command.right}`. Ask its operator, or do this where the lake is.",
                right=command.right,
            )


def allowed_rights(names: Iterable[str]) -> frozenset[Right]:
    """The rights of these names. Raises `InvalidInput`."""
    known = {name: name for name in get_args(Right) if name != "read"}
    wrong = next((name for name in names if name not in known), None)
    if wrong is not None:
        raise InvalidInput(f"A server can allow {', '.join(known)}, and not {wrong!r}.")
    return frozenset(known[name] for name in names)


class ChangesService:
    """Carries out commands for one lake, as far as they are allowed."""

    def __init__(
        self, lake: Lake, allowed: Allowed, limits: Limits, jobs: JobRunner | None = None
    ) -> None:
        self._told = Told(lake=lake, repair=repair, begin=jobs.begin if jobs else None)
        self._jobs = jobs
        self._allowed = allowed
        self._limits = limits
        self._places = {
            what: LanePlaces(limits.room_of(getattr(limits, what), what)) for what in KINDS
        }
        self._watch_s = JobLog(lake).poll_s
        self._long = ThreadPoolExecutor(limits.changes, thread_name_prefix="saelake-change")
        self._quick = ThreadPoolExecutor(limits.commands, thread_name_prefix="saelake-command")
        self._closed = asyncio.Event()

    def handler(self) -> grpc.GenericRpcHandler:
        """What a grpc.aio server is given."""
        handlers = {method: self._handler(method) for method in COMMANDS}
        return grpc.method_handlers_generic_handler(CHANGES, handlers)

    async def end_jobs(self) -> None:
        """End jobs, and who watches them; commands go on, and what is being sent still comes."""
        self._closed.set()
        if self._jobs is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._jobs.close)

    def close(self) -> None:
        """Take no more commands; those at work go on to their end."""
        for pool in (self._long, self._quick):
            pool.shutdown(wait=False, cancel_futures=True)

    def _handler(self, method: str) -> grpc.RpcMethodHandler:
        kind = COMMANDS[method]
        if kind is WatchJobCommand:
            make, answer = grpc.unary_stream_rpc_method_handler, self._watch
        elif kind.has_rows:
            make, answer = grpc.stream_unary_rpc_method_handler, self._receiving(kind)
        else:
            make, answer = grpc.unary_unary_rpc_method_handler, self._carrying_out(kind)
        return make(
            answer,
            request_deserializer=input_type(method).FromString,
            response_serializer=output_type(method).SerializeToString,
        )

    def _carrying_out(self, kind: type[Command]) -> Callable[..., Any]:
        async def answer(message: Any, context: Context) -> Any:
            self._allowed.check(kind)
            with await self._place(kind, context) as held:
                command = from_message(kind, message)
                await self._check_granted(command)
                return await self._report(command, held)

        return answer

    def _receiving(self, kind: type[Command]) -> Callable[..., Any]:
        async def answer(messages: AsyncIterator[Any], context: Context) -> Any:
            self._allowed.check(kind)
            with await self._place(kind, context) as held:
                file = held.enter_context(_spool())
                command = await self._spooled(kind, messages, file)
                return await self._report(command, held, _path_to(file))

        return answer

    async def _place(self, kind: type[Command], context: Context) -> ExitStack:
        """A place among the commands of its kind, until it is closed. Raises `LimitExceeded`."""
        places = self._places["changes" if kind.is_long else "commands"]
        if kind is WatchJobCommand:
            places = self._places["watches"]
        by, held = asker_of(context), ExitStack()
        held.callback(places.give, by, await places.take(by))
        return held

    async def _spooled(
        self, kind: type[Command], messages: AsyncIterator[Any], file: IO[bytes]
    ) -> Command:
        """The command that comes first, when the rows after it are in the file."""
        command, n_bytes = None, 0
        run = asyncio.get_running_loop().run_in_executor
        async for message in messages:
            if message.WhichOneof("piece") == "begin" and command is None:
                command = from_message(kind, message.begin)
                await self._check_granted(command)
                continue
            if command is None or message.WhichOneof("piece") != "arrow":
                raise InvalidInput("The first piece says what is sent, and the others are bytes.")
            n_bytes += len(message.arrow)
            _check_size(n_bytes, self._limits.import_bytes)
            await run(self._long, file.write, message.arrow)
        if command is None:
            raise InvalidInput("Nothing was sent.")
        await run(self._long, file.flush)
        return command

    async def _check_granted(self, command: Command) -> None:
        """Raise `PermissionDenied` for a command about corpora that are not the caller's to use."""
        if caller().corpora is None:
            return
        run = asyncio.get_running_loop().run_in_executor
        if isinstance(command, LabelsCommand):
            await self._check_labels_granted(command.dictionary)
            return
        about = await run(self._quick, self._told.corpora, command)
        try:
            check_corpora(caller(), about)
        except PermissionDenied:
            if isinstance(command, CancelJobCommand | WatchJobCommand):
                raise no_job(command.job) from None  # as where there is none
            raise
        if isinstance(command, StartLabelCommand):  # all who use the dictionary see these labels
            await self._check_labels_granted(command.dictionary)

    async def _check_labels_granted(self, dictionary: str) -> None:
        """Raise `PermissionDenied` for a dictionary with corpora that are not the caller's."""
        run = asyncio.get_running_loop().run_in_executor
        users = await run(self._quick, self._told.users, dictionary)
        check_labels(caller(), dictionary, users)

    async def _report(self, command: Command, held: ExitStack, rows: Path | None = None) -> Any:
        """The report as a message. What is begun is done, also when the caller leaves meanwhile:
        until then it has what it held.
        """
        pool = self._long if command.is_long else self._quick
        run = asyncio.get_running_loop().run_in_executor
        work = run(pool, self._told.carry_out, command, rows)
        kept = held.pop_all()
        work.add_done_callback(lambda _: kept.close())
        return to_message(output_type(command.command), await asyncio.shield(work))

    async def _watch(self, message: Any, context: Context) -> None:
        with await self._place(WatchJobCommand, context):
            command, told = from_message(WatchJobCommand, message), None
            await self._check_granted(command)
            while not self._closed.is_set():
                known = await self._report(command, ExitStack())
                if known != told:
                    told = known
                    await context.write(told)
                if known.state in ENDED:
                    return
                await self._pause()
            raise Unavailable("The server is being stopped. The job's id finds it again.")

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._watch_s):
                await self._closed.wait()


def _spool() -> IO[bytes]:
    """A file that is gone when it is closed, or its process is."""
    if OPEN_FILES.exists():
        return tempfile.TemporaryFile()
    return tempfile.NamedTemporaryFile(prefix="saelake-sent-")  # which a killed process leaves


def _path_to(file: IO[bytes]) -> Path:
    """Where a spool can be read until it is closed."""
    return OPEN_FILES / str(file.fileno()) if OPEN_FILES.exists() else Path(file.name)


def _check_size(n_bytes: int, most_bytes: int) -> None:
    if n_bytes > most_bytes:
        raise LimitExceeded(
            f"More was sent than the {most_bytes} bytes that this server takes at once. Send it "
            "in several imports, or import it where the lake is.",
            limit_bytes=most_bytes,
        )
