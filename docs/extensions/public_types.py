"""Public classes that pages need not list: the errors, and the types of public methods."""

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from placeholders import replaces
from sphinx.application import Sphinx

import saelake
from saelake.store import errors

REFERENCE = Path(__file__).parents[1] / "reference"
FACES = (saelake.Lake, saelake.Collection, saelake.Dictionary)


def setup(app: Sphinx) -> dict[str, Any]:
    """Give `<!-- errors -->` and `<!-- other types -->` their meaning."""
    replaces(app, "errors", lambda: "\n".join(each_error()))
    return replaces(app, "other types", lambda: "\n".join(others()))


def each_error() -> Iterator[str]:
    """A directive for each error, in the order of the tree."""
    for name, error in vars(errors).items():
        if inspect.isclass(error) and issubclass(error, errors.SaelakeError):
            home = "saelake" if name in saelake.__all__ else errors.__name__
            yield _directive("autoexception", f"{home}.{name}", "show-inheritance")


def _directive(kind: str, path: str, option: str) -> str:
    return f"```{{eval-rst}}\n.. {kind}:: {path}\n   :{option}:\n```\n"


def others() -> Iterator[str]:
    """A directive for each public class that no page of the reference has, by name."""
    found = {id(public): (name, f"saelake.{name}") for name, public in _public()}
    for home, name in _named_in_signatures():
        found.setdefault(id(getattr(import_module(home), name)), (name, f"{home}.{name}"))
    shown = _shown()
    for name, path in sorted(found.values()):
        if name not in shown and name not in vars(errors):
            yield _directive("autoclass", path, "members")


def _public() -> Iterator[tuple[str, object]]:
    for name in saelake.__all__:
        if inspect.isclass(public := getattr(saelake, name)):
            yield name, public


def _shown() -> set[str]:
    """The names that pages of the reference describe."""
    directive = re.compile(r"auto(?:class|exception|function):: [\w.]*?(\w+)\n")
    texts = (page.read_text() for page in REFERENCE.glob("*.md"))
    return {name for text in texts for name in directive.findall(text)}


def _named_in_signatures() -> Iterator[tuple[str, str]]:
    """The homes and names of the types that the faces import only to name them."""
    for face in FACES:
        module = inspect.getmodule(face)
        annotations = " ".join(_annotations(face))
        for node in ast.walk(ast.parse(inspect.getsource(module))) if module else ():
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    if re.search(rf"\b{alias.name}\b", annotations):
                        yield node.module, alias.name


def _annotations(face: type) -> Iterator[str]:
    """What the public methods say of their arguments and answers, as text."""
    for name, method in inspect.getmembers(face, inspect.isfunction):
        if not name.startswith("_"):
            yield from (str(a) for a in inspect.get_annotations(method).values())
