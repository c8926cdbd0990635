"""What every answer is: a sequence of small values over the Arrow table that it came as."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar, overload

import pyarrow as pa

from saelake.store.errors import MissingExtra

T = TypeVar("T")


class Answer(Sequence[T]):
    """Rows of an answer, as values or as a table. Values are made when they are first asked for."""

    def __init__(self, table: pa.Table, value: Callable[..., T]) -> None:
        self._table = table
        self._value = value

    def to_arrow(self) -> pa.Table:
        """The answer as it came, without a copy."""
        return self._table

    def to_pandas(self) -> Any:
        """The answer as a data frame. Raises `MissingExtra` when pandas is not installed."""
        try:
            return self._table.to_pandas()
        except ImportError as error:
            raise MissingExtra(
                "to_pandas needs pandas: pip install pandas. to_arrow works without.",
                extra="pandas",
            ) from error

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows as plain dictionaries."""
        rows: list[dict[str, Any]] = self._table.to_pylist()
        return rows

    @cached_property
    def _values(self) -> tuple[T, ...]:
        return tuple(self._value(**row) for row in self.to_dicts())

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._values[index]

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[T]:
        return iter(self._values)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values == other._values

    __hash__ = None  # type: ignore[assignment]


def aligned(rows: Sequence[Sequence[object]], header: Sequence[str]) -> str:
    """Rows as plain text in columns, one line each; numbers to the right, the rest to the left."""
    cells = [list(header), *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    right = [
        bool(rows) and all(isinstance(row[i], int | float) for row in rows)
        for i in range(len(header))
    ]
    lines = (
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    )
    return "\n".join(lines)


def _shown(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return one_line(str(cell))


def one_line(text: str) -> str:
    """The text with runs of white space and control characters as single spaces."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(" {2,}", " ", printable)


def lasting(seconds: float) -> str:
    """A time for people, in one unit: 45 s, 3 min, 7 h, 2 d."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def named(feature: int, pole: str | None) -> int | str:
    """What a feature is called in an answer: its number, or that of its pole, as -243 or +243."""
    return feature if pole is None else f"{pole}{feature}"


def described(metadata: Mapping[str, Any]) -> str:
    """Metadata in one line: `label=pos, year=2019`."""
    named = (f"{name}={value}" for name, value in metadata.items() if value is not None)
    return one_line(", ".join(named))
