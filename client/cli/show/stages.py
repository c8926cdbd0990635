"""Longer works on standard error: a bar for each stage, and a line as it ends."""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

from saelake.answers.text import lasting, one_line
from saelake.cli.show.progress import Counter, EncodeBar
from saelake.cli.show.screen import say
from saelake.lake import Lake
from saelake.stages import Stage

if TYPE_CHECKING:
    from saelake.store.reports import ImportReport

TITLES = {
    "import": ("Importing", "rows"),
    "encode": ("Encoding", "documents"),
    "index": ("Indexing", "documents"),
    "embed": ("Embedding", "documents"),
    "label": ("Labelling", "features"),
}


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

    def __enter__(self) -> "Bars":
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._shown.close()

    def begin(self, stage: Stage, /) -> Callable[..., object]:
        """Show the stage's bar, which is then called with its progress."""
        doing, unit = TITLES[stage.name]
        title = f"{doing} {stage.of}"
        if stage.name != "encode":
            return self._shown.enter_context(Counter(title, unit))
        self._before_encoding(stage.of)
        return self._shown.enter_context(EncodeBar(title, workers=self._has_workers))

    def end(self, stage: Stage, report: Any, /) -> None:
        """Take the bar away, and say what was done."""
        self._shown.close()
        match stage.name:
            case "import":
                added = f"{report.n_documents:,} documents into {report.corpus}"
                say(f"Imported {added}{skipped(report)}")
            case "index":
                say(f"Indexed {report.n_documents:,} documents of {report.collection}")

    def _before_encoding(self, corpus: str) -> None:
        for job in self._lake.encodes(corpus):
            silent = lasting(time.time() - job.heartbeat.timestamp())
            say(
                f"Process {job.pid} on {one_line(job.host)} was encoding {corpus} {silent} ago. If "
                "it still does, both do the same work; each document is stored once."
            )
        say(self._loading)


def skipped(report: "ImportReport") -> str:
    """How many rows were left out, and why."""
    if not report.n_skipped:
        return ""
    reasons = ", ".join(f"{n:,} × {reason}" for reason, n in sorted(report.reasons.items()))
    return f" ({report.n_skipped:,} rows skipped: {reasons})"


def finished(lake: Lake, names: Iterable[str]) -> str:
    """The last line: what these collections hold now."""
    lines = []
    wanted = set(names)
    for row in lake.info():
        if row.name in wanted:
            failed = f", {row.n_failed:,} of them failed" if row.n_failed else ""
            documents = (row.n_encoded or 0) + (row.n_failed or 0)
            lines.append(
                f"{row.name} has {documents:,} documents{failed}, {row.n_tokens or 0:,} tokens, "
                f"{row.n_codes or 0:,} codes"
            )
    return "Done: " + "; ".join(lines)
