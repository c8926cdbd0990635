"""An option for each of a server's limits, made of its fields, so that none is forgotten."""

import re
from dataclasses import fields
from inspect import Parameter, Signature
from types import NoneType
from typing import Annotated, Any, get_args, get_type_hints

import typer

from saelake.making.quantities import parse_size
from saelake.store.service.limits import Limits

PREFIX = "limit_"
PANEL = "What it gives at most"
UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def limit_options(**given: Any) -> Limits:
    """The limits that these options name. Raises `InvalidInput`."""
    return Limits(**{name.removeprefix(PREFIX): value for name, value in given.items()})


def _option(name: str, kind: Any, default: Any) -> Parameter:
    """The option of a limit; sizes may have a unit."""
    is_size = name.endswith("_bytes")
    shown = _size(default) if is_size and default else f"{default}"
    option = typer.Option(
        help=f"{_about(name)} [default: {shown}]",
        rich_help_panel=PANEL,
        parser=_parsed if is_size else None,
        metavar="SIZE" if is_size else None,
        show_default=False,
    )
    annotation: Any = Annotated[kind, option]
    return Parameter(PREFIX + name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _parsed(size: Any) -> int:
    return parse_size(str(size))


def _size(n_bytes: int) -> str:
    """A size for people, in the largest unit that it is a whole number of."""
    found = (f"{n_bytes // length}{unit}" for unit, length in UNITS if n_bytes % length == 0)
    return next(found, str(n_bytes))


def _about(name: str) -> str:
    """What the docstring of `Limits` says of a limit: its line of the list."""
    said = re.findall(r"^ *- (\w+): (.+)$", Limits.__doc__ or "", re.MULTILINE)
    about = dict(said)[name]
    return f"{about[0].upper()}{about[1:]}."


def _kind(hint: Any) -> Any:
    """The type of a field's values, without None."""
    return next((each for each in get_args(hint) if each is not NoneType), hint)


def _signature() -> Signature:
    hints = get_type_hints(Limits)
    return Signature([_option(f.name, _kind(hints[f.name]), f.default) for f in fields(Limits)])


limit_options.__signature__ = _signature()  # type: ignore[attr-defined]  # what typer reads
