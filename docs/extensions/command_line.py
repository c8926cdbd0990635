"""The reference of the command line, made of the program's own help."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import typer
from placeholders import replaces
from sphinx.application import Sphinx
from typer.main import get_command

from saelake.cli.app import app as program

OWN_PANEL, SHARED_PANEL = "Options", "Where the lake is"
SHARED_EXAMPLE = "info"  # a command that has every option of that panel, and few others


def setup(app: Sphinx) -> dict[str, Any]:
    """Give `<!-- commands -->` its meaning."""
    return replaces(app, "commands", lambda: "\n".join(reference()))


def reference() -> Iterator[str]:
    """All commands, by panel, as Markdown."""
    group: Any = get_command(program)
    yield f"\n## {SHARED_PANEL}\n\nOptions of every command that asks.\n"
    example = group.commands[SHARED_EXAMPLE]
    yield from _options(example, _panels(example)[SHARED_PANEL])
    shown = [command for command in group.commands.values() if not command.hidden]
    for panel, commands in itertools.groupby(shown, lambda command: command.rich_help_panel):
        yield f"\n## {panel}"
        for command in commands:
            inner = getattr(command, "commands", {command.name: command})
            for each in inner.values():
                name = command.name if each is command else f"{command.name} {each.name}"
                yield from _command(each, name)


def _command(command: Any, name: str) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = [f"saelake {name}", "[OPTIONS]", *(_usage(argument) for argument in arguments)]
    yield f"\n### `saelake {name}`\n\n```text\n{' '.join(usage)}\n```\n"
    yield f"{command.help}\n"
    for argument in filter(lambda argument: argument.help, arguments):
        yield f"`{_usage(argument)}`\n: {argument.help}\n"
    for panel, options in _panels(command).items():
        if panel == SHARED_PANEL:
            names = ", ".join(f"`{option.opts[0]}`" for option in options)
            yield f"**[{panel}](#where-the-lake-is)**: {names}\n"
        else:
            yield f"**{panel}**\n"
            yield from _options(command, options)


def _usage(argument: Any) -> str:
    shown = str(argument.metavar or argument.name.upper())
    if argument.nargs == -1 and not shown.endswith("..."):
        shown += "..."
    return shown if argument.required or shown.startswith("[") else f"[{shown}]"


def _panels(command: Any) -> dict[str, list[Any]]:
    """The options by the panel that help shows them in, that of the command's own first."""
    panels: dict[str, list[Any]] = {OWN_PANEL: []}
    for param in command.params:
        if param.param_type_name == "option" and not param.hidden:
            panels.setdefault(param.rich_help_panel or OWN_PANEL, []).append(param)
    return {panel: options for panel, options in panels.items() if options}


def _options(command: Any, options: Iterable[Any]) -> Iterator[str]:
    """How each is typed, and what help says of it."""
    context = typer.Context(command, info_name=command.name)
    for option in options:
        typed, said = option.get_help_record(context)
        yield f"`{typed}`\n: {said.replace('  [', ' [')}\n"
