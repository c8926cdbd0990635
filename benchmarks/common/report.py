"""Tables of results: printed, and kept in `results/` with what they were measured on."""

import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.common.places import RESULTS

PACKAGES = ("saelake", "pylance", "pyarrow", "numpy", "duckdb", "torch", "transformers", "grpcio")

Cell = str | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows with the same keys, which are the columns; the first names the row."""

    title: str
    rows: Sequence[Mapping[str, Cell]]
    note: str = ""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.rows[0])

    def cells(self) -> Iterable[list[str]]:
        """The rows as text, a row at a time."""
        return ([shown(row[column]) for column in self.columns] for row in self.rows)

    def print(self, console: Console) -> None:
        """Show the table to a person."""
        table = RichTable(title=self.title, title_justify="left", caption=self.note or None)
        for index, column in enumerate(self.columns):
            table.add_column(column, justify="right" if index else "left")
        for cells in self.cells():
            table.add_row(*cells)
        console.print(table)

    def markdown(self) -> str:
        """The table as Markdown, under its title."""
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = [f"| {' | '.join(cells)} |" for cells in (self.columns, rule, *self.cells())]
        note = f"\n\n{self.note}" if self.note else ""
        return f"### {self.title}\n\n" + "\n".join(lines) + note + "\n"


def shown(value: Cell) -> str:
    """A cell as text: numbers with three digits, or all of those before the point."""
    if value is None:
        return ""
    if isinstance(value, float):
        magnitude = abs(value)
        places = 0 if magnitude >= 100 else 1 if magnitude >= 10 else 2 if magnitude >= 1 else 3
        return f"{value:,.{places}f}"
    return f"{value:,}" if isinstance(value, int) else value


def publish(
    name: str, tables: Sequence[Table], *, facts: Mapping[str, Cell], results: Path = RESULTS
) -> None:
    """Print the tables, and add them to `results/<date>-<name>.md` and `.json`.

    `facts` says what the run was made with, besides the machine, the versions and the command.
    """
    console = Console(width=120)
    for table in tables:
        table.print(console)
    now = datetime.now(UTC)
    said = {"time": f"{now:%Y-%m-%d %H:%M} UTC", "command": command(), **machine(), **facts}
    results.mkdir(parents=True, exist_ok=True)
    stem = results / f"{now:%Y-%m-%d}-{name}"
    _append_json(stem.with_suffix(".json"), {**said, "tables": [asdict(t) for t in tables]})
    with stem.with_suffix(".md").open("a") as file:
        file.write(f"## {name}, {said['time']}\n\n")
        file.writelines(f"- {key}: {value}\n" for key, value in said.items())
        file.writelines(f"\n{table.markdown()}" for table in tables)
        file.write("\n")
    console.print(f"Added to {stem}.md and .json")


def _append_json(path: Path, run: Mapping[str, object]) -> None:
    runs = json.loads(path.read_text()) if path.exists() else []
    path.write_text(json.dumps([*runs, run], indent=1) + "\n")


def command() -> str:
    """The command line of this process, of paths only the last part."""
    return " ".join(Path(word).name if word.startswith("/") else word for word in sys.argv)


def machine() -> dict[str, Cell]:
    """The processor, its cores, the memory, and the versions of what was measured."""
    memory_kib = int(_first(r"MemTotal:\s+(\d+)", "/proc/meminfo") or 0)
    return {
        "processor": _first(r"model name\s*: (.+)", "/proc/cpuinfo") or platform.machine(),
        "cores": os.cpu_count(),
        "memory": f"{memory_kib / 2**20:.0f} GiB",
        "versions": ", ".join([f"Python {platform.python_version()}", *_versions()]),
    }


def _versions() -> Iterable[str]:
    for package in PACKAGES:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            continue


def _first(pattern: str, path: str) -> str | None:
    try:
        found = re.search(pattern, Path(path).read_text())
    except OSError:  # not Linux
        return None
    return found[1] if found else None
