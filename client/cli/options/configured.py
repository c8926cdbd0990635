"""Options that may also stand in a file, or in variables; what is typed outweighs both.

The order is click's own: an option, a variable, a file (its `default_map`), a default.
"""

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from saelake.cli.options.limits import PREFIX as LIMIT
from saelake.cli.options.ray import ClusterCommand
from saelake.cli.show.screen import out
from saelake.connection import TOKEN_VARIABLE
from saelake.store.errors import InvalidInput, NotFound

VARIABLES = "SAELAKE_SERVE_"
TABLE = "limits"  # of the file, for the options that begin with `--limit-`
NOT_SETTINGS = {"config", "check", "print_config", "help"}
PASSWORD = re.compile(r"(?<=//)[^/@\s]+(?=@)")
PANEL = "Where settings are"


class ConfiguredCommand(ClusterCommand):
    """A command each of whose options has a variable."""

    def __init__(self, *arguments: Any, **given: Any) -> None:
        super().__init__(*arguments, **given)
        for option in self.params:
            known = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
            option.envvar = [VARIABLES + str(option.name).upper(), *known]
            option.show_envvar = False  # type: ignore[attr-defined]  # they are all alike

    def invoke(self, ctx: Any) -> Any:
        """Do it, or only print its settings: also those of which nothing can be made."""
        if not ctx.params["print_config"]:
            return super().invoke(ctx)
        out.print(printed(ctx, ctx.params["config"]), markup=False, soft_wrap=True)
        return None


def _read(ctx: typer.Context, path: Path | None) -> Path | None:
    """Let the file give what neither an option nor a variable does."""
    names = set(_settings(ctx))
    for variable in os.environ:
        if variable.startswith(VARIABLES):
            known = {VARIABLES + name.upper() for name in names | NOT_SETTINGS}
            _check(variable, known, f"The variable {variable}")
    if path is not None:
        ctx.default_map = dict(_entries(path, names))
    return path


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        help="A TOML file with options by name, and a table [limits].",
        rich_help_panel=PANEL,
        callback=_read,
        is_eager=True,
    ),
]
CheckOption = Annotated[
    bool,
    typer.Option(
        "--check",
        help="Only say what hinders the server: the lake, certificates, ports.",
        rich_help_panel=PANEL,
    ),
]
PrintConfigOption = Annotated[
    bool,
    typer.Option(
        "--print-config",
        help="Only print the settings as such a file, and where each is from.",
        rich_help_panel=PANEL,
    ),
]


def _settings(ctx: typer.Context) -> Mapping[str, Any]:
    """The options that are settings, by name."""
    return {str(p.name): p for p in ctx.command.params if p.name not in NOT_SETTINGS}


def _entries(path: Path, names: set[str]) -> Iterator[tuple[str, Any]]:
    """What a file says, by the options' names. Raises `InvalidInput` and `NotFound`."""
    try:
        found = tomllib.loads(path.expanduser().read_text())
    except OSError as error:
        raise NotFound(f"Cannot read {path}: {error.strerror}.", path=path) from error
    except ValueError as error:
        raise InvalidInput(f"{path} is not TOML: {error}.", path=path) from error
    limits = found.pop(TABLE, {})
    if not isinstance(limits, dict):
        raise InvalidInput(f"{TABLE} in {path} is not a table: write [{TABLE}].", path=path)
    for prefix, table in (("", found), (LIMIT, limits)):
        for key, value in table.items():
            name = prefix + key.replace("-", "_")
            _check(name, names, f"{key!r} in {path}")
            yield name, value


def _check(name: str, names: set[str], what: str) -> None:
    if name in names:
        return
    near = get_close_matches(name, names, n=1, cutoff=0.0)
    raise InvalidInput(f"{what} is no setting of the server; the nearest is {near[0]}.", name=name)


def printed(ctx: typer.Context, file: Path | None) -> str:
    """The settings as a file that says the same, with where each is from; without passwords."""
    options = _settings(ctx)
    lines = {name: _line(ctx, name, file) for name in options}
    plain = [line for name, line in lines.items() if not name.startswith(LIMIT)]
    limits = [line for name, line in lines.items() if name.startswith(LIMIT)]
    token = [f"# token is that of {TOKEN_VARIABLE}"] if os.environ.get(TOKEN_VARIABLE) else []
    return "\n".join([*plain, *token, "", f"[{TABLE}]", *limits])


def _written(name: str) -> str:
    """A name as it is written in files, and typed."""
    return name.replace("_", "-")


def _line(ctx: typer.Context, name: str, file: Path | None) -> str:
    key, value = _written(name.removeprefix(LIMIT)), ctx.params[name]
    if value is None or value in ((), []):
        return f"# {key} is not set"
    return f"{key} = {_toml(value)}  # {_source(ctx, name, file)}"


def _toml(value: Any) -> str:
    """A value as TOML writes it, which for these is as JSON does."""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(PASSWORD.sub("…", str(value)), ensure_ascii=False)


def _source(ctx: typer.Context, name: str, file: Path | None) -> str:
    source = ctx.get_parameter_source(name)
    match source.name if source else "":
        case "COMMANDLINE":
            return f"--{_written(name)}"
        case "ENVIRONMENT":
            return next(str(v) for v in _settings(ctx)[name].envvar if v in os.environ)
        case "DEFAULT_MAP":
            return str(file)
    return "default"
