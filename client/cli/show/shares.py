"""Shares as people read them: with bars."""

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from saelake.answers.shares import Shares, ValueShare
from saelake.answers.text import one_line
from saelake.cli.show.analyses import said

WIDE = 72  # characters of a screen on which bars have room
BAR = 16  # characters: with all columns, 80 have room for a short value


def shares(answer: Shares, console: Console) -> RenderableType:
    """Each value with its share as a bar, whose faint part is up to the end of the interval.

    Where there is little room, what does not fit is said by the other formats.
    """
    above = said(answer.head, answer.notes)
    if not len(answer):
        return Group(*above)
    is_wide = console.width >= WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(Text(one_line(answer.by)), max_width=40, overflow="fold")
    table.add_column("share", justify="right", no_wrap=True)
    if is_wide:
        table.add_column("", no_wrap=True)
        table.add_column(f"{100 * answer.level:.4g}% interval", no_wrap=True)
    for name in ("documents", "firing", "lift") if is_wide else ("documents",):
        table.add_column(name, justify="right", no_wrap=True)
    largest = max(row.ci_high for row in answer)
    for row in answer:
        table.add_row(*_cells(row, largest, is_wide=is_wide))
    return Group(*above, table)


def _cells(row: ValueShare, largest: float, *, is_wide: bool) -> list[Text]:
    style = "" if row.kind in ("value", "bin") else "dim"
    name, share = Text(row.name, style=style), Text(f"{row.share:.1%}")
    documents = Text(f"{row.n_documents:,}")
    if not is_wide:
        return [name, share, documents]
    lift = Text("-" if row.lift is None else f"{row.lift:.2f}")
    more = [bar(row, largest), Text(row.interval), documents, Text(f"{row.n_firing:,}")]
    return [name, share, *more, lift]


def bar(row: ValueShare, largest: float) -> Text:
    """The share, and on from it to the end of its interval, of the largest that is shown."""
    filled, reach = (round(BAR * each / largest) for each in (row.share, row.ci_high))
    return Text.assemble("█" * filled, ("░" * (reach - filled), "dim"))
