"""Shares as people read them: with bars."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from saelake.answers.shares import Share, Shares
from saelake.answers.text import one_line

BAR = 24  # characters


def shares(answer: Shares) -> RenderableType:
    """Each value with its share as a bar, whose faint part is up to the end of the interval."""
    said = [Text(one_line(answer.head), style="dim")]
    said += [Text(one_line(note), style="yellow") for note in answer.notes]
    if not len(answer):
        return Group(*said)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(one_line(answer.by), max_width=40, overflow="ellipsis", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column(f"{answer.level:.0%} interval", no_wrap=True)
    for name in ("documents", "firing", "lift"):
        table.add_column(name, justify="right", no_wrap=True)
    largest = max(row.ci_high for row in answer)
    for row in answer:
        style = "" if row.kind in ("value", "bin") else "dim"
        lift = "-" if row.lift is None else f"{row.lift:.2f}"
        table.add_row(
            Text(row.name, style=style),
            f"{row.share:.1%}",
            bar(row, largest),
            row.interval,
            f"{row.n_documents:,}",
            f"{row.n_firing:,}",
            lift,
        )
    return Group(*said, table)


def bar(row: Share, largest: float) -> Text:
    """The share, and on from it to the end of its interval, of the largest that is shown."""
    filled, reach = (round(BAR * each / largest) for each in (row.share, row.ci_high))
    return Text.assemble("█" * filled, ("░" * (reach - filled), "dim"))
