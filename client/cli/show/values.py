"""Values of a column as people read them: with bars."""

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from saelake.answers.text import one_line
from saelake.answers.values import ValueCount, ValueCounts
from saelake.cli.show.analyses import said

WIDE = 72  # characters of a screen on which bars and filters have room
BAR = 12  # characters


def values(answer: ValueCounts, console: Console) -> RenderableType:
    """Each value with its documents, as a bar of the largest, and the filter that keeps them.

    Where there is little room, what does not fit is said by the other formats.
    """
    above = said(answer.head, answer.notes)
    if not len(answer):
        return Group(*above)
    is_wide = console.width >= WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(Text(one_line(answer.by)), max_width=32, overflow="fold")
    table.add_column("documents", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    if is_wide:
        table.add_column("", no_wrap=True)
        table.add_column("where", overflow="fold")
    largest = max(row.n_documents for row in answer)
    for row in answer:
        table.add_row(*_cells(row, largest, is_wide=is_wide))
    return Group(*above, table)


def _cells(row: ValueCount, largest: int, *, is_wide: bool) -> list[Text]:
    style = "" if row.kind in ("value", "bin") else "dim"
    cells = [Text(row.name, style=style), Text(f"{row.n_documents:,}"), Text(f"{row.share:.1%}")]
    if not is_wide:
        return cells
    bar = "█" * round(BAR * row.n_documents / largest)
    return [*cells, Text(bar), Text(one_line(row.where or "-"), style="dim")]
