"""One process that computes answers, as the serving process has it."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from saelake.store.errors import Crashed, LimitExceeded, SaelakeError, Unavailable
from saelake.store.service.begun import ending, environment
from saelake.store.service.lanes import parcels
from saelake.store.service.lanes.asking import Asking
from saelake.store.service.lanes.parcels import HEAD, ChildSettings, Kind, packed, pickled
from saelake.store.wire.progress import Part

MODULE = "saelake.store.service.lanes.start"
BUFFER_BYTES = 1 << 20
LOOK_S = 0.25  # between looks at its memory
PATIENCE_S = 2.0  # with one that has closed its pipe, and is about to end
# Libraries that would start a thread for each core, beside those that an analysis has.
THREADS: Mapping[str, str] = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Defect(Exception):
    """A failure in the other process that nobody meant; its text is for the log."""


class Child:
    """A process that answers one question at a time. For one event loop."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._in, self._out = process, process.stdin, process.stdout
        self._is_answering = False
        self._has_started = False
        self._too_large: int | None = None  # bytes of memory, for which it was ended
        self._head: tuple[int, int] | None = None  # of a parcel whose contents are not read yet

    @classmethod
    async def start(cls, settings: ChildSettings) -> Self:
        """A process that has its libraries and the lake. Raises `Unavailable`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            MODULE,
            stdin=PIPE,
            stdout=PIPE,
            limit=BUFFER_BYTES,
            env={**THREADS, **environment()},
        )
        child = cls(process)
        try:
            await child._send(pickled(Kind.SETTINGS, settings))
            await child._received()
            child._has_started = True
        except BaseException:
            child.kill()
            await child.gone()
            raise
        return child

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def rss_bytes(self) -> int:
        """The memory that it has; 0 where the system does not say."""
        try:
            n_pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except OSError:
            return 0
        return n_pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def is_idle(self) -> bool:
        """Whether it can be asked."""
        has_ended = self._out.at_eof() or self._process.returncode is not None
        return not self._is_answering and not has_ended

    async def answer(self, asked: Asking, *, tells: bool = False) -> AsyncGenerator[Part, None]:
        """The frames of an answer, made no faster than they are asked for; to be closed, or read.

        Where it `tells`, how far it is comes between them. Raises what the question raises,
        `Defect`, `Crashed` where the process is gone, and `LimitExceeded` where it had too much
        memory.
        """
        order = pickled(Kind.ASK, (asked, tells))
        self._is_answering = True
        await self._send(order)
        while True:
            kind, contents = await self._received()
            self._is_answering = not kind.ends
            if kind is Kind.ERROR:
                raise parcels.error_in(contents)
            if kind is Kind.DEFECT:
                raise Defect(contents.decode())
            yield parcels.progress_in(contents) if kind is Kind.PROGRESS else contents
            if kind is Kind.LAST:
                return

    async def stop(self, seconds: float) -> bool:
        """Whether it stopped computing in time; if not, it is killed."""
        try:
            async with asyncio.timeout(seconds):
                await self._send(packed(Kind.STOP))
                while self._is_answering:
                    kind, _ = await self._received()
                    self._is_answering = not kind.ends
        except (TimeoutError, SaelakeError):
            self.kill()
        return self.is_idle

    def kill(self) -> None:
        """End it now, whatever it does."""
        send(self._process, signal.SIGKILL)

    async def keep_to(self, n_bytes: int) -> None:
        """Kill it as soon as it has more memory than that."""
        while self.rss_bytes <= n_bytes:
            await asyncio.sleep(LOOK_S)
        self._too_large = n_bytes
        self.kill()

    async def gone(self) -> None:
        """Return when the process has ended; its pipes are closed then."""
        self._in.close()
        await self._out.read()  # what nobody wants any more
        await self._process.wait()

    async def _send(self, parcel: bytes) -> None:
        try:
            self._in.write(parcel)
            await self._in.drain()
        except ConnectionError:
            raise await self._loss() from None

    async def _received(self) -> tuple[Kind, bytes]:
        try:
            if self._head is None:
                self._head = HEAD.unpack(await self._out.readexactly(HEAD.size))
            kind, n_bytes = self._head
            contents = await self._out.readexactly(n_bytes)
        except asyncio.IncompleteReadError:
            raise await self._loss() from None
        self._head = None
        return Kind(kind), contents

    async def _loss(self) -> SaelakeError:
        """What became of a process that does not answer any more."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                code = await self._process.wait()
        except TimeoutError:
            self.kill()
            code = await self._process.wait()
        if self._too_large is not None:
            return LimitExceeded(
                f"The answer took more than the {self._too_large >> 20:,} MiB of memory that this "
                "server gives one. Ask for less: fewer features, or a narrower where.",
                limit_memory_bytes=self._too_large,
            )
        how = ending(code)
        if not self._has_started:
            return Unavailable(f"A process for this answer ended as it started ({how}).", ended=how)
        return Crashed(
            f"The process that computed this answer ended ({how}), and only this answer with it. "
            "Ask again; if that ends it as well, ask for less, and see the server's log.",
            ended=how,
        )


def send(process: Process, number: int) -> None:
    """Send a signal. `Process.send_signal` looks whether the process has ended, and when it has,
    nobody else learns how.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
