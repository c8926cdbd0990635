"""What pages show to be typed: the commands and the Python of their code blocks."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.commands import ROOT

BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


@dataclass(frozen=True, slots=True)
class Shown:
    """One command, as its words, or one block of Python: where it stands, and what it is."""

    page: Path
    line: int
    text: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As a failed test names it."""
        return f"{name_of(self.page)}:{self.line}: {self.text.strip()}"


def name_of(page: Path) -> str:
    """The page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


def shown(page: Path) -> Iterator[Shown]:
    """All that a page shows to be typed, in order."""
    text = page.read_text()
    for block in BLOCK.finditer(text):
        first = text[: block.start()].count("\n") + 2
        if block[1] == "python":
            yield Shown(page, first, block[2])
        else:
            yield from _commands(page, first, block[2])


def _commands(page: Path, first: int, block: str) -> Iterator[Shown]:
    """What follows prompts, with the lines that continue it; other lines are what it prints."""
    lines = enumerate(block.splitlines(), first)
    for number, line in lines:
        if line.startswith("$ "):
            command = line.removeprefix("$ ")
            while command.endswith("\\"):
                command = command.removesuffix("\\") + next(lines)[1].strip()
            yield Shown(page, number, command, tuple(shlex.split(command, comments=True)))
