"""Commands as documents show them, read as the programs themselves read them."""

import re
import shlex
from pathlib import Path
from typing import Any

import typer
from ray.scripts.scripts import cli as ray_program

from saelake.cli.app import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROGRAMS = {"saelake": typer.main.get_command(app), "ray": ray_program}


def shown(markdown: str) -> list[str]:
    """The commands after the prompts of a page, each with the lines that continue it."""
    blocks = re.findall(r"^```console\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
    joined = "".join(blocks).replace("\\\n", "")
    return [command.strip() for command in re.split(r"^\$ ", joined, flags=re.MULTILINE)[1:]]


def of_programs(commands: list[str]) -> list[list[str]]:
    """The words of those that are saelake's or Ray's, also where Ray passes them on."""
    found = []
    for command in commands:
        words = shlex.split(command) if command.startswith(tuple(PROGRAMS)) else []
        if words:
            found.append(words)
            found += of_programs([word for word in words if " " in word])
    return found


def read(words: list[str]) -> dict[str, Any]:
    """What the program takes these words for. Raises its usage error."""
    command: Any = PROGRAMS[words[0]]
    rest = words[1:]
    while hasattr(command, "resolve_command"):
        context = command.context_class(command)
        _, command, rest = command.resolve_command(context, rest)
    options: dict[str, Any] = command.make_context(command.name, rest).params
    return options
