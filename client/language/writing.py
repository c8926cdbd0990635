"""The thread that has the ledger: what is asked of it at once is written at once.

An event loop does not wait for the disk, and 32 replies that arrive together take one write to it.
"""

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from saelake.language.holders import Holder
from saelake.language.ledger import FILE, Ledger
from saelake.store.errors import Corrupt, InvalidInput, OutOfSpace, SaelakeError, Unavailable

T = TypeVar("T")
MOST_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class _LedgerStep:
    """What to do with the ledger, whether it must outlive a loss of power, and where it is told."""

    work: Callable[[Ledger], Any]
    is_lasting: bool
    done: Future[Any]


class LedgerThread:
    """A ledger in a folder, which is made, and the thread that has it.

    Raises `InvalidInput` for a folder that cannot be written or is in a lake, and `Corrupt`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().absolute()
        _check_outside(self._folder)
        self._queue: SimpleQueue[_LedgerStep | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="language-ledger", daemon=True)
        self._opened: Future[None] = Future()
        self._thread.start()
        self._opened.result()

    @property
    def path(self) -> Path:
        """The file."""
        return self._folder / FILE

    def submit(self, work: Callable[[Ledger], T], *, is_lasting: bool = False) -> Future[T]:
        """What the work gives, once it is on disk. It is done also if nobody waits for it."""
        done: Future[T] = Future()
        done.set_running_or_notify_cancel()  # who stops waiting does not undo it
        self._queue.put(_LedgerStep(work, is_lasting, done))
        return done

    def close(self) -> None:
        """Do what was submitted, and close the file."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (
                closing(Holder(self._folder)) as holder,
                closing(Ledger(self._folder, holder)) as ledger,
            ):
                self.path.chmod(0o600)
                self._opened.set_result(None)
                while steps := self._next():
                    self._do(ledger, steps)
        except BaseException as error:
            if self._opened.done():
                raise
            self._opened.set_exception(self._told(error))

    def _next(self) -> list[_LedgerStep]:
        """What waits, at least one step; none at the end."""
        steps: list[_LedgerStep] = []
        try:
            while len(steps) < MOST_AT_ONCE:
                step = self._queue.get(block=not steps)
                if step is None:
                    if steps:
                        self._queue.put(None)
                    break
                steps.append(step)
        except Empty:
            pass
        return steps

    def _do(self, ledger: Ledger, steps: list[_LedgerStep]) -> None:
        try:
            with ledger.transaction(is_lasting=any(step.is_lasting for step in steps)):
                results = [step.work(ledger) for step in steps]
        except BaseException as error:
            told = self._told(error)
            for step in steps:
                step.done.set_exception(told)
        else:
            for step, result in zip(steps, results, strict=True):
                step.done.set_result(result)

    def _told(self, error: BaseException) -> BaseException:
        """The error as users are told it."""
        if not isinstance(error, sqlite3.Error | OSError) or isinstance(error, SaelakeError):
            return error
        path, said = self.path, str(error)
        if "full" in said or getattr(error, "errno", None) == 28:
            return OutOfSpace(f"No room for replies in {path}: make room, and run it again.")
        if isinstance(error, sqlite3.OperationalError) and "locked" in said:
            return Unavailable(f"Another process has {path} locked: wait for it, or end it.")
        if isinstance(error, sqlite3.DatabaseError):
            return Corrupt(f"{path} cannot be read ({said}): move it away, or name another folder.")
        return InvalidInput(f"Cannot keep replies in {self._folder} ({said}): name another folder.")


def _check_outside(folder: Path) -> None:
    """Raise `InvalidInput` for a folder in a lake, for whose readers replies are not."""
    if any(any(parent.glob("*.lance")) for parent in (folder, *folder.parents)):
        raise InvalidInput(f"{folder} would be in a lake: name a folder elsewhere for replies.")
