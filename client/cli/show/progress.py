"""Progress on standard error: bars on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from saelake.answers.text import lasting, one_line
from saelake.cli.show.screen import caution, err, say

if TYPE_CHECKING:
    from saelake.workers.fleet.progress import EncodeProgress

EVERY_S = 10.0


class Bar:
    """One line of progress, as a context manager; `update` tells it how far the work is."""

    def __init__(self, title: str, unit: str) -> None:
        self._title = one_line(title)
        self._unit = unit
        self._begun = self._said = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> "Bar":
        if err.is_terminal:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn(f"{self._unit} {{task.fields[note]}}", markup=False),
                TimeRemainingColumn(),
                console=err,
                transient=True,
            )
            self._task = self._bar.add_task(self._title, total=None, note="")
            self._bar.start()
        else:
            say(f"{self._title} …")
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def elapsed_s(self) -> float:
        """Seconds since it began."""
        return max(time.monotonic() - self._begun, 1e-9)

    def update(self, done: int, total: int | None, note: str = "") -> None:
        """Show how many of how many are done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, note=note)
        elif time.monotonic() - self._said >= EVERY_S:
            self._said = time.monotonic()
            of = f" of {total:,}" if total else ""
            counted = f"{self._title}: {done:,}{of} {self._unit} {note}".rstrip()
            say(counted + self._left(done, total))

    def _left(self, done: int, total: int | None) -> str:
        """How long the rest will take."""
        if not (done and total and done < total):
            return ""
        return f", {lasting(self.elapsed_s * (total - done) / done)} left"


class Counter(Bar):
    """Progress towards an end that nobody knows: called with the number that is done."""

    def __enter__(self) -> "Counter":
        super().__enter__()
        return self

    def __call__(self, done: int, total: int | None = None) -> None:
        """Show how many are done."""
        self.update(done, total)


class EncodeBar(Bar):
    """Progress of an encode: tokens and codes a second, and with `workers` who is at work.

    It appears when models are loaded, and says `loading` then: a run that has nothing to do has
    none. What there is to say of the run it says once.
    """

    def __init__(self, title: str, *, loading: str, workers: bool = False) -> None:
        super().__init__(title, "documents")
        self._loading = loading
        self._workers = workers
        self._is_loaded = False

    def __enter__(self) -> "EncodeBar":
        return self

    def __call__(self, progress: "EncodeProgress") -> None:
        """Show how far the encode is."""
        if progress.is_loading:
            say(self._loading)
            super().__enter__()
            return
        if not self._is_loaded:  # from here on models run
            self._is_loaded = True
            self._begun = self._said = time.monotonic()
            for note in progress.notes:
                say(f"Note: {note}")
            for warning in progress.warnings:
                caution(warning)
        seconds = self.elapsed_s if progress.n_tokens else 1.0
        note = (
            f"({progress.n_tokens / seconds:,.0f} tokens/s, "
            f"{progress.n_codes / seconds:,.0f} codes/s{self._at_work(progress)})"
        )
        self.update(progress.n_documents, progress.n_total, note)

    def _at_work(self, progress: "EncodeProgress") -> str:
        if not self._workers:
            return ""
        again = f", {progress.n_repeated:,} again" if progress.n_repeated else ""
        return f"; {progress.n_workers:,} workers, {progress.n_in_flight:,} shards{again}"
