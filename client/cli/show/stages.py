"""Longer works on standard error: a bar for each stage, and a line as it ends."""

import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

from saelake.answers.text import lasting, one_line, several
from saelake.cli.show.kinds import doing, unit_of
from saelake.cli.show.progress import Counter, EncodeBar
from saelake.cli.show.screen import say
from saelake.lake import Lake
from saelake.making.stages import Stage
from saelake.store.errors import AwaitsRoom, SaelakeWarning

if TYPE_CHECKING:
    from saelake.store.reports import ImportReport


class Bars:
    """Watches a lake's longer works, as a context manager: each stage has its bar.

    `loading` is what an encode says that it loads, and with `has_workers` others do the work.
    """

    def __init__(
        self,
        lake: Lake,
        *,
        loading: str = "the model and the dictionary",
        has_workers: bool = False,
    ) -> None:
        self._lake = lake
        self._loading = "Starting workers …" if has_workers else f"Loading {loading} …"
        self._has_workers = has_workers
        self._shown = ExitStack()
        self._quiet = ExitStack()

    def __enter__(self) -> "Bars":
        self._quiet.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", SaelakeWarning)  # the bar says them
        warnings.simplefilter("always", AwaitsRoom)  # but not what happens meanwhile
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._shown.close()
        self._quiet.close()

    def begin(self, stage: Stage, /) -> Callable[..., object]:
        """Show the stage's bar, which is then called with its progress."""
        title, unit = f"{doing(stage.name)} {stage.of}", unit_of(stage.name)
        if stage.name != "encode":
            return self._shown.enter_context(Counter(title, unit))
        self._before_encoding(stage.of)
        bar = EncodeBar(title, loading=self._loading, workers=self._has_workers)
        return self._shown.enter_context(bar)

    def end(self, stage: Stage, report: Any, /) -> None:
        """Take the bar away, and say what was done."""
        self._shown.close()
        match stage.name:
            case "import":
                for note in (*report.notes, *_examples(report)):
                    say(note)
                say(f"Imported {added(report)} into {report.corpus}{besides(report)}")
            case "index":
                say(f"Indexed {several(report.n_documents, 'document')} of {report.collection}")

    def _before_encoding(self, corpus: str) -> None:
        for job in self._lake.encodes(corpus):
            silent = lasting(time.time() - job.heartbeat.timestamp())
            say(
                f"Process {job.pid} on {one_line(job.host)} was encoding {corpus} {silent} ago. If "
                "it still does, both do the same work; each document is stored once."
            )


def _examples(report: "ImportReport") -> Iterable[str]:
    """The first rows that were left out, and where all of them are."""
    if report.examples and report.n_documents:
        where = f"the lake's table {report.corpus}--skipped has all of them"
        yield f"Left out: {'; '.join(report.examples)} ({where})"


def added(report: "ImportReport") -> str:
    """How many documents are new."""
    return several(report.n_documents - report.n_updated, "document")


def besides(report: "ImportReport") -> str:
    """How many documents came in place of others, and how many rows were left out."""
    replaced = f", {report.n_updated:,} replaced" if report.n_updated else ""
    return f"{replaced}{skipped(report)}"


def skipped(report: "ImportReport") -> str:
    """How many rows were left out, and why."""
    if not report.n_skipped:
        return ""
    reasons = ", ".join(
        f"{n:,} × {reason}{_hint(report, reason)}" for reason, n in sorted(report.reasons.items())
    )
    return f" ({several(report.n_skipped, 'row')} skipped: {reasons})"


def _hint(report: "ImportReport", reason: str) -> str:
    """What to do about rows that were left out for this reason, if anything."""
    if reason == "id already in the corpus" and report.n_changed:
        return (
            f", {report.n_changed:,} of them with another text or other metadata: use "
            "--on-duplicate update to replace what is there"
        )
    if reason == "invalid UTF-8":
        return " (a file of another encoding is read with --encoding)"
    return ""


def finished(lake: Lake, names: Iterable[str]) -> str:
    """The last line: what these collections hold now."""
    lines = []
    wanted = set(names)
    for row in lake.info():
        if row.name in wanted:
            failed = f", {row.n_failed:,} of them failed" if row.n_failed else ""
            documents = several((row.n_encoded or 0) + (row.n_failed or 0), "document")
            fraction = row.sample_fraction or 1
            sample = f" of a {100 * fraction:.6g} % sample" if fraction < 1 else ""
            units = "" if row.unit == "document" else f"{row.counted or '0 tokens'}, "
            lines.append(
                f"{row.name} has {documents}{failed}, {units}"
                f"{several(row.n_codes or 0, 'code')}{sample}"
            )
    return "Done: " + "; ".join(lines)
