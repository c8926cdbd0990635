"""What is public is complete: every error, and every type that a public signature names."""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache, cached_property
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

import saelake
from saelake.store import errors
from tests.client.absent import hidden
from tests.client.test_lightness import imported_by

NAMES = [name for name in dir(saelake) if name != "__version__"]
# What a lake is asked through: its requests are those of the wire, and no user's.
SEAM = "Transport"
CLASSES = [name for name in NAMES if name != SEAM and inspect.isclass(getattr(saelake, name))]


def is_ours(module: str | None) -> bool:
    return (module or "").partition(".")[0] == "saelake"


def our_bases(cls: type[Any]) -> list[type[Any]]:
    return [base for base in cls.__mro__ if is_ours(base.__module__)]


def public_functions(cls: type[Any]) -> Iterator[Any]:
    """The methods and properties that a user of the class may call, inherited ones too."""
    for base in our_bases(cls):
        for name, member in vars(base).items():
            if name.startswith("_"):
                continue
            if isinstance(member, property):
                yield member.fget
            elif isinstance(member, cached_property):
                yield member.func
            elif isinstance(member, classmethod | staticmethod):
                yield member.__func__
            elif inspect.isfunction(member):
                yield member


@cache
def names_for_checkers(module: ModuleType) -> dict[str, Any]:
    """What a module imports, for type checkers too, so that its annotations can be read."""
    body = tree_of(module).body
    checked = [inner for node in body if isinstance(node, ast.If) for inner in node.body]
    imports = (node for node in (*body, *checked) if isinstance(node, ast.ImportFrom))
    return {
        alias.asname or alias.name: getattr(import_module(node.module), alias.name)
        for node in imports
        if node.module and is_ours(node.module)
        for alias in node.names
    }


@cache
def tree_of(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def hints(annotated: Any, module: str) -> dict[str, Any]:
    return get_type_hints(annotated, localns=names_for_checkers(sys.modules[module]))


def annotations(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    """What is said of attributes, arguments and results."""
    for base in our_bases(cls):
        said = {"__annotations__": inspect.get_annotations(base), "__module__": base.__module__}
        own = type(base.__name__, (), said)
        for name, kind in hints(own, base.__module__).items():
            if not name.startswith("_"):
                yield f"{base.__name__}.{name}", kind
    for function in public_functions(cls):
        for name, kind in hints(function, function.__module__).items():
            yield f"{function.__qualname__}({name})", kind


def parts(kind: Any) -> Iterator[Any]:
    """A type, and the types that it is made of."""
    if isinstance(kind, list | tuple):  # the arguments of a callable
        for part in kind:
            yield from parts(part)
    elif get_origin(kind) is None:
        yield kind
    else:
        yield from parts([get_origin(kind), *get_args(kind)])


def is_public(kind: Any) -> bool:
    if not inspect.isclass(kind) or not is_ours(kind.__module__):
        return True
    return getattr(saelake, kind.__name__, None) is kind


@pytest.mark.parametrize("name", CLASSES)
def test_every_type_of_a_public_signature_is_public(name: str) -> None:
    inner = {
        f"{place}: {part.__name__}"
        for place, kind in annotations(getattr(saelake, name))
        for part in parts(kind)
        if not is_public(part)
    }
    assert inner == set()


def aliases(cls: ast.ClassDef) -> Iterator[str]:
    """The names in the annotations of a class's attributes and public methods."""
    for node in cls.body:
        if isinstance(node, ast.AnnAssign):
            yield from named(node.annotation)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            for annotation in (node.returns, *(argument.annotation for argument in arguments)):
                yield from named(annotation)


def named(annotation: ast.expr | None) -> Iterator[str]:
    for node in ast.walk(annotation) if annotation else ():
        if isinstance(node, ast.Name):
            yield node.id


@pytest.mark.parametrize("name", CLASSES)
def test_every_alias_in_a_public_signature_is_public(name: str) -> None:
    """An alias, as `Pooling` for its choices, is lost to `get_type_hints`: its name is read."""
    module = sys.modules[getattr(saelake, name).__module__]
    choices = {n: kind for n, kind in vars(module).items() if get_origin(kind) is Literal}
    known = {**choices, **names_for_checkers(module)}
    classes = (n for n in tree_of(module).body if isinstance(n, ast.ClassDef) and n.name == name)
    used = {alias for cls in classes for alias in aliases(cls)} & set(known)
    inner = {alias for alias in used if getattr(saelake, alias, None) is not known[alias]}
    assert inner == set()


def test_every_error_is_public() -> None:
    raised = {
        name
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, errors.SaelakeError)
    }
    assert len(raised) > 15
    assert raised <= set(NAMES)


def test_every_public_name_is_what_its_home_calls_it() -> None:
    assert len(NAMES) == len(set(NAMES)) > 80
    for name in NAMES:
        found = getattr(saelake, name)
        assert is_ours(getattr(found, "__module__", "saelake")) or get_origin(found), name
    assert saelake.Job is type_of_encodes()


def type_of_encodes() -> Any:
    return get_args(hints(saelake.Lake.encodes, "saelake.lake")["return"])[0]


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'connct'"):
        getattr(saelake, "connct")  # noqa: B009


@pytest.mark.parametrize(
    "name", ["EncodeOptions", "RayCluster", "EncodeReport", "ImportReport", "Tag", "KeepOptions"]
)
def test_options_and_reports_need_neither_models_nor_tables(name: str) -> None:
    assert not imported_by(f"import saelake; saelake.{name}") & {"torch", "lance"}


def test_a_base_install_has_every_name_but_those_of_torch() -> None:
    code = """
import saelake
from saelake import *
assert EncodeOptions and connect and Tag and KeptActivations
try:
    saelake.ActivationLoader
except saelake.MissingExtra as error:
    assert "ActivationLoader needs torch" in str(error), error
    assert "pip install 'saelake[workers]'" in str(error), error
else:
    raise AssertionError
"""
    assert not imported_by(hidden({"torch", "lance"}) + code) & {"torch", "lance"}
