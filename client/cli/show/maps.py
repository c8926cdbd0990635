"""Maps on the screen: their points, and how they were made."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from saelake.answers.maps import MapPoint, MapPoints
from saelake.answers.text import one_line

ROWS = 50
NAME_CHARACTERS = 24


def points(answer: MapPoints) -> RenderableType:
    """The first points, how many there are, and what there is to say of them."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("point", max_width=NAME_CHARACTERS, no_wrap=True, overflow="ellipsis")
    for name in ("x", "y", "cluster", "value"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("text", ratio=1, no_wrap=True, overflow="ellipsis")
    for row in answer[:ROWS]:
        place = (f"{row.x:.3f}", f"{row.y:.3f}", str(row.cluster))
        name = one_line(row.id) if row.id is not None else str(row.row)
        table.add_row(name, *place, _value(row), one_line(row.text or ""))
    said = [Text(line, style="dim") for line in (answer.made, *answer.notes)]
    if len(answer) > ROWS:
        said.append(Text(f"The first {ROWS} of {len(answer):,}; --format has all.", style="dim"))
    return Group(table, *said)


def _value(row: MapPoint) -> str:
    if row.value is not None:
        return f"{row.value:.4g}"
    return one_line(row.category or "")
