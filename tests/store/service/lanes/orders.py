"""Questions that do what none of ours is meant to; they are pickled, and asked of processes."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from saelake.store.engine import Engine
from saelake.store.errors import NotFound
from saelake.store.requests.waited.progress import told
from saelake.store.requests.waited.stopping import look
from saelake.store.service.lanes.asking import Asking

MANY, FEW = 300, 3
BATCH = pa.record_batch({"n": list(range(100_000))})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spinning(Asking):
    """Computes for ever, and never looks whether somebody waits; says where in a folder."""

    tell: Path | None = None

    def answer(self, engine: Engine) -> pa.RecordBatchReader:
        if self.tell is not None:
            (self.tell / str(os.getpid())).touch()
        while True:
            pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking(Asking):
    """Computes for ever, and looks now and then."""

    def answer(self, engine: Engine) -> pa.RecordBatchReader:
        while True:
            look()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dying(Asking):
    """Ends its process."""

    by: int = signal.SIGKILL

    def answer(self, engine: Engine) -> pa.RecordBatchReader:
        os.kill(os.getpid(), self.by)
        raise AssertionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing(Asking):
    """Has a defect, or says what is wrong."""

    is_meant: bool

    def answer(self, engine: Engine) -> pa.RecordBatchReader:
        if self.is_meant:
            raise NotFound("There is no such thing: é.", feature=3)
        raise ZeroDivisionError("a secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flowing(Asking):
    """Has an answer without an end."""

    def answer(self, engine: Engine) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(BATCH.schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        while True:
            yield BATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting(Asking):
    """Answers after a stage of many short pieces, and one of a few long ones."""

    def answer(self, engine: Engine) -> pa.RecordBatchReader:
        for _ in told("many", range(MANY), MANY):
            time.sleep(0.003)
        for _ in told("few", range(FEW), FEW):
            time.sleep(0.3)
        return engine.ask(self.request, at=self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growing(Asking):
    """Takes more and more memory."""

    def answer(self, engine: Engine) -> pa.RecordBatchReader:
        taken = []
        while True:
            taken.append(bytearray(os.urandom(1 << 20)))
            time.sleep(0.001)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, which has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def cpu_ticks(pid: int) -> int:
    """The processor time that a process has had."""
    try:
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0
    return int(user) + int(system)


def works(pid: int) -> bool:
    """Whether a process uses the processor now."""
    before = cpu_ticks(pid)
    time.sleep(0.5)
    return is_alive(pid) and cpu_ticks(pid) > before + 2
