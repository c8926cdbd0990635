"""What is written to the terminal, and how: answers to standard output, all else to the other."""

import csv
import sys
import warnings
from codecs import getwriter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import pyarrow as pa
from rich.console import Console

from saelake.answers.answer import sample_of
from saelake.answers.plain import as_json, plain
from saelake.answers.text import one_line
from saelake.store.errors import InvalidInput, SaelakeWarning
from saelake.store.format.visible import escaped as escaped

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


def caution(message: str) -> None:
    """One line on standard error about what does not stop the command."""
    err.print("Warning: ", style="bold yellow", end="")
    say(message)


@contextmanager
def cautions() -> Iterator[None]:
    """What saelake warns of is said, each time, as a line for people."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", SaelakeWarning)
        usual = warnings.showwarning

        def show(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, SaelakeWarning):
                caution(str(message))
            else:
                usual(message, category, *place, **more)

        warnings.showwarning = show
        yield


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
    """Write an answer: as one JSON document, as CSV or Arrow of its table, or for people.

    All but CSV say of which sample of tokens it is, where it is of one.
    """
    sample = sample_of(table)
    match chosen:
        case "json":
            _write_json(document() if sample is None else {**document(), "sample": sample})
        case "csv":
            _write_csv(table)
        case "arrow":
            _write_arrow(table)
        case "table":
            show()
            if sample is not None:
                out.print(sample, style="dim", markup=False)


def _write_json(document: Any) -> None:
    sys.stdout.buffer.write(f"{as_json(plain(document))}\n".encode())


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


def _column(name: str, taken: Sequence[str]) -> str:
    """The column's name; of metadata without the prefix, where that is no other column's name."""
    short = name.removeprefix("metadata.")
    return name if short in taken else short


def _cell(value: Any) -> Any:
    shown = plain(value)
    if isinstance(shown, list | dict):
        return as_json(shown)
    return escaped(shown) if isinstance(shown, str) else shown


def _write_arrow(table: pa.Table) -> None:
    if sys.stdout.isatty():
        raise InvalidInput("Arrow is not for reading: send it to a file or a program with > or |.")
    with pa.ipc.new_stream(pa.PythonFile(sys.stdout.buffer, "w"), table.schema) as writer:
        writer.write_table(table)
    sys.stdout.buffer.flush()
