"""Options that several commands have, written once."""

from collections.abc import Callable, Collection
from functools import wraps
from inspect import signature
from typing import Any, TypeVar

Command = Callable[..., None]
R = TypeVar("R")


def shares(
    name: str, maker: Callable[..., Any], without: Collection[str] = ()
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """The command, with the options of `maker` in place of its parameter `name`.

    It is given what `maker` makes of those options, which come after its own. Those that it is
    `without` have their defaults.
    """
    options = {n: p for n, p in signature(maker).parameters.items() if n not in without}

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        own = signature(command)

        @wraps(command)
        def run(*arguments: Any, **given: Any) -> R:
            if name not in given:  # what is called from Python may have it already
                chosen = {option: given.pop(option) for option in options if option in given}
                given[name] = maker(**chosen)
            return command(*arguments, **given)

        kept = [parameter for parameter in own.parameters.values() if parameter.name != name]
        shown = own.replace(parameters=[*kept, *options.values()])
        run.__signature__ = shown  # type: ignore[attr-defined]  # what typer reads
        run.__annotations__ = {p.name: p.annotation for p in shown.parameters.values()}
        return run

    return decorate
