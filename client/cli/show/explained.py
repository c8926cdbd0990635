"""What a run over features found, as people read it, and how far it is."""

from types import TracebackType

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from saelake.answers.view import shown
from saelake.cli.show.progress import Bar
from saelake.cli.show.screen import say
from saelake.explaining.run.report import ExplainReport
from saelake.explaining.run.running import ExplainProgress


def report(found: ExplainReport) -> RenderableType:
    """What there is to say of all, and the first features with their scores."""
    view = found.view
    lines = [Text(line) for line in found.lines]
    if not view.rows:
        return Group(*lines)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, numeric in zip(view.header, view.numeric, strict=True):
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in view.rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    return Group(*lines, table, *([Text(view.more, style="dim")] if view.more else []))


class FeaturesBar:
    """A bar of features that are done, as a context manager that is told of them.

    At an interrupt it says what is written, and how to go on.
    """

    def __init__(self, title: str) -> None:
        self._bar = Bar(title, "features")
        self._written: int | None = None

    def __enter__(self) -> "FeaturesBar":
        self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, t: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, t)
        if kind is not None and issubclass(kind, KeyboardInterrupt) and self._written is not None:
            say(f"{self._written:,} labels are written, and the replies so far are kept.")

    def __call__(self, progress: ExplainProgress) -> None:
        """Show how far it is."""
        self._written = progress.n_written
        note = f"({progress.n_written:,} labels written)" if progress.n_written else ""
        self._bar.update(progress.n_done, progress.n_total, note)
