"""Public names that pages need not list: errors, choices, and types that no page describes."""

import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from placeholders import replaces
from sphinx.application import Sphinx

import saelake
from saelake.store import errors

REFERENCE = Path(__file__).parents[1] / "reference"
DIRECTIVE = re.compile(r"auto(?:class|exception|function):: saelake\.(\w+)\n")
INTERNAL = "of, open, sample, share"  # methods that the program itself calls


def setup(app: Sphinx) -> dict[str, Any]:
    """Give `<!-- errors -->`, `<!-- choices -->` and `<!-- other types -->` their meaning."""
    replaces(app, "errors", lambda: "\n".join(each_error()))
    replaces(app, "choices", lambda: "\n".join(choices()))
    return replaces(app, "other types", lambda: "\n".join(others()))


def each_error() -> Iterator[str]:
    """A directive for each error, in the order of the tree."""
    for name, error in vars(errors).items():
        if inspect.isclass(error) and issubclass(error, errors.SaelakeError):
            yield _directive("autoexception", name, "show-inheritance:")


def choices() -> Iterator[str]:
    """A table of the arguments that are one of a few words."""
    yield "| name | one of |\n|---|---|"
    for name, public in sorted(_public()):
        if typing.get_origin(public) is typing.Literal:
            words = ", ".join(f"`{word}`" for word in typing.get_args(public))
            yield f"| `saelake.{name}` | {words} |"


def others() -> Iterator[str]:
    """A directive for each public class that no other page of the reference has, by name."""
    pages = (page.read_text() for page in REFERENCE.glob("*.md"))
    shown = {name for page in pages for name in DIRECTIVE.findall(page)} | set(vars(errors))
    for name, public in sorted(_public()):
        if inspect.isclass(public) and name not in shown:
            yield _directive("autoclass", name, f"members:\n   :exclude-members: {INTERNAL}")


def _public() -> Iterator[tuple[str, object]]:
    return ((name, getattr(saelake, name)) for name in dir(saelake))


def _directive(kind: str, name: str, option: str) -> str:
    return f"```{{eval-rst}}\n.. {kind}:: saelake.{name}\n   :{option}\n```\n"
