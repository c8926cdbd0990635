"""Public classes that pages need not list: the errors, and the types of public methods."""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from placeholders import replaces
from sphinx.application import Sphinx

import saelake
from saelake.store import errors

REFERENCE = Path(__file__).parents[1] / "reference"
INTERNAL = "of, open, sample, share"  # methods that the program itself calls
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
            yield _directive("autoexception", f"{home}.{name}", "show-inheritance:")


def _directive(kind: str, path: str, option: str) -> str:
    return f"```{{eval-rst}}\n.. {kind}:: {path}\n   :{option}\n```\n"


def others() -> Iterator[str]:
    """A directive for each public class that no page of the reference has, by name."""
    found = {id(public): (name, f"saelake.{name}") for name, public in _public()}
    for named in _named_in_signatures():
        found.setdefault(id(named), (named.__name__, f"{named.__module__}.{named.__name__}"))
    shown = _shown()
    for name, path in sorted(found.values()):
        if name not in shown and name not in vars(errors):
            yield _directive("autoclass", path, f"members:\n   :exclude-members: {INTERNAL}")


def _public() -> Iterator[tuple[str, object]]:
    for name in saelake.__all__:
        if inspect.isclass(public := getattr(saelake, name)):
            yield name, public


def _shown() -> set[str]:
    """The names that pages of the reference describe."""
    directive = re.compile(r"auto(?:class|exception|function):: [\w.]*?(\w+)\n")
    texts = (page.read_text() for page in REFERENCE.glob("*.md"))
    return {name for text in texts for name in directive.findall(text)}


def _named_in_signatures() -> Iterator[type]:
    """The program's classes that signatures of the faces name, with options that are in options."""
    for face in FACES:
        for named in _classes_in(face):
            yield named
            if named.__name__.endswith("Options"):
                yield from _classes_in(named)


def _classes_in(described: type) -> Iterator[type]:
    """The program's classes that a class's public methods and fields name."""
    names = set(re.findall(r"\w+", " ".join(_annotations(described))))
    for home, name in _imports(inspect.getsource(sys.modules[described.__module__])):
        if home.startswith("saelake.") and name in names:
            found = getattr(import_module(home), name)
            if inspect.isclass(found) and found.__module__.startswith("saelake."):
                yield found


def _imports(source: str) -> Iterator[tuple[str, str]]:
    """Every module and name of the imports, also of those that only type checkers read."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def _annotations(described: type) -> Iterator[str]:
    """What the public methods of a face say of arguments and answers; of options, the fields."""
    methods = inspect.getmembers(described, inspect.isfunction)
    public = [method for name, method in methods if not name.startswith("_")]
    annotated: Iterable[Callable[..., object]] = public if described in FACES else [described]
    for each in annotated:
        yield from (str(annotation) for annotation in inspect.get_annotations(each).values())
