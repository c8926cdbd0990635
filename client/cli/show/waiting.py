"""How far a question is, on the terminal of who waits for its answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Timer
from types import TracebackType

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from saelake.answers.listening import progress
from saelake.answers.text import one_line
from saelake.cli.show.screen import Format, err
from saelake.store.requests.waited.progress import Progress as Told

DELAY_S = 0.5  # what is answered sooner shows no bar


@contextmanager
def waiting(format: Format) -> Iterator[None]:  # noqa: A002
    """A block whose questions show how far they are: on a terminal, and for people to read."""
    if format != "table" or not err.is_terminal:
        yield
        return
    with AnswerBar() as bar, progress(bar):
        yield


class AnswerBar:
    """A bar for one stage after the other, as a context manager that is told of them.

    It appears after a moment, and leaves nothing. Thread-safe.
    """

    def __init__(self, delay_s: float = DELAY_S) -> None:
        self._lock = Lock()
        self._timer = Timer(delay_s, self._is_due)
        self._timer.daemon = True
        self._due = False
        self._told: Told | None = None
        self._shown: tuple[Progress, int, TaskID] | None = None  # of which step

    def __enter__(self) -> "AnswerBar":
        self._timer.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._told = None  # a timer that has begun already shows nothing
            if self._shown is not None:
                self._shown[0].stop()

    def __call__(self, told: Told) -> None:
        """Show how far it is."""
        with self._lock:
            self._told = told
            self._show()

    def _is_due(self) -> None:
        with self._lock:
            self._due = True
            self._show()

    def _show(self) -> None:
        if self._due and self._told is not None:
            told = self._told
            bar, step, task = self._shown or (_bar(), 0, TaskID(0))
            if step != told.step:  # no other way to forget a total
                if step:
                    bar.remove_task(task)
                task = bar.add_task(one_line(told.stage), total=told.total)
            bar.update(task, completed=told.done)
            self._shown = bar, told.step, task


def _bar() -> Progress:
    """The bar, which is shown from now on."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    )
    bar.start()
    return bar
