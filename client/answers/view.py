"""How an answer is laid out for people: one declaration, shown as text and as HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

from saelake.answers.text import one_line

BARS = " ▁▂▃▄▅▆▇█"
HISTOGRAM_BINS = 16


@dataclass(frozen=True, slots=True)
class Proportion:
    """A number from 0 to 1 that is a part of something, drawn as a bar."""

    value: float

    def __str__(self) -> str:
        return f"{self.value:.4g}"


@dataclass(frozen=True, slots=True)
class Passage:
    """A text with its middle marked, the deeper the larger `strength` in [0, 1]."""

    before: str
    token: str
    after: str
    strength: float = 1.0
    title: str = ""

    def __str__(self) -> str:
        before, token, after = map(one_line, (self.before, self.token, self.after))
        return f"{before}<<{token}>>{after}"


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of values in half octaves (see `Feature.histogram`), drawn as bars of an octave."""

    counts: Sequence[int]

    @property
    def bars(self) -> tuple[int, ...]:
        """The counts of the octaves that have any and of those between, smallest values first."""
        octaves = [a + b for a, b in zip(self.counts[::2], self.counts[1::2], strict=True)]
        used = [i for i, count in enumerate(octaves) if count]
        return tuple(octaves[used[0] : used[-1] + 1][-HISTOGRAM_BINS:]) if used else ()

    def __str__(self) -> str:
        tallest, last = max(self.bars, default=1), len(BARS) - 1
        return "".join(BARS[-(-count * last // tallest)] for count in self.bars)


Cell = str | int | float | Proportion | Passage | Histogram | None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A table with named columns; lines of text above it (`said`), and one below it (`more`)."""

    header: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    said: Sequence[str] = ()
    more: str = ""

    def __str__(self) -> str:
        """The view as plain text in columns; numbers to the right, the rest to the left."""
        cells = [[shown(cell) for cell in row] for row in self.rows]
        if self.header:
            cells.insert(0, list(self.header))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = (
            "  ".join(
                cell.rjust(width) if to_right else cell.ljust(width)
                for cell, width, to_right in zip(row, widths, self.numeric, strict=True)
            ).rstrip()
            for row in cells
        )
        return "\n".join([*map(one_line, self.said), *lines, *filter(None, [self.more])])

    @property
    def numeric(self) -> list[bool]:
        """Of each column whether it has numbers only."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.header)
        return [
            bool(column) and all(isinstance(cell, int | float | Proportion) for cell in column)
            for column in columns
        ]


def shown(cell: Cell) -> str:
    """A cell as text of one line."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return one_line(str(cell))
