"""What is written to the terminal, and how: answers to standard output, all else to the other."""

import csv
import json
import math
import re
import sys
from base64 import b64encode
from codecs import getwriter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa
from rich.console import Console

from saelake.answers.text import one_line
from saelake.store.errors import InvalidInput

# C0 and C1 controls, and the marks, overrides and isolates of direction (Unicode's UAX #9).
COMMANDS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)

Format = Literal["table", "json", "csv", "arrow"]


class Screen(Console):
    """A console whose reader may leave: that is raised, where rich would end the process."""

    def on_broken_pipe(self) -> None:
        """Raise the `BrokenPipeError` that rich has caught."""
        raise  # rich calls this where it handles the error


out = Screen(highlight=False, soft_wrap=False)
err = Screen(stderr=True, highlight=False, soft_wrap=True)


def complain(message: str) -> None:
    """One readable line on standard error."""
    err.print("Error: ", style="bold red", end="")
    say(message)


def say(message: str) -> None:
    """A line for the person who waits, on standard error."""
    err.print(one_line(message).strip(), markup=False)


def answer(
    chosen: Format,
    table: pa.Table,
    *,
    document: Callable[[], Any],
    show: Callable[[], None],
) -> None:
    """Write an answer: as one JSON document, as CSV or Arrow of its table, or for people."""
    match chosen:
        case "json":
            _write_json(document())
        case "csv":
            _write_csv(table)
        case "arrow":
            _write_arrow(table)
        case "table":
            show()


def plain(value: Any) -> Any:
    """The value in terms of JSON; what JSON lacks becomes text, and no number becomes null."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta() | Decimal():
            return str(value)
        case bytes():
            return b64encode(value).decode()
        case Iterable():
            return [plain(item) for item in value]
    return str(value)


def _write_json(document: Any) -> None:
    sys.stdout.buffer.write(f"{_as_json(plain(document))}\n".encode())


def _as_json(value: Any) -> str:
    return escaped(json.dumps(value, ensure_ascii=False, allow_nan=False))


def _write_csv(table: pa.Table) -> None:
    """The rows, with metadata in columns of its own and lists as JSON.

    Characters that would command a terminal, or turn the order of what stands beside them, are
    written as `\\u001b`; in JSON and Arrow they are exact.
    """
    flat = table.flatten()
    writer = csv.writer(getwriter("utf-8")(sys.stdout.buffer), lineterminator="\n")
    writer.writerow(_column(name, table.schema.names) for name in flat.schema.names)
    for row in zip(*(column.to_pylist() for column in flat.columns), strict=True):
        writer.writerow([_cell(value) for value in row])


def escaped(text: str) -> str:
    """The text with `\\uXXXX` for control characters but line ends and tabs, and for those that
    turn the direction of writing.
    """
    return COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _column(name: str, taken: Sequence[str]) -> str:
    """The column's name; of metadata without the prefix, where that is no other column's name."""
    short = name.removeprefix("metadata.")
    return name if short in taken else short


def _cell(value: Any) -> Any:
    shown = plain(value)
    if isinstance(shown, list | dict):
        return _as_json(shown)
    return escaped(shown) if isinstance(shown, str) else shown


def _write_arrow(table: pa.Table) -> None:
    if sys.stdout.isatty():
        raise InvalidInput("Arrow is not for reading: send it to a file or a program with > or |.")
    with pa.ipc.new_stream(pa.PythonFile(sys.stdout.buffer, "w"), table.schema) as writer:
        writer.write_table(table)
    sys.stdout.buffer.flush()
