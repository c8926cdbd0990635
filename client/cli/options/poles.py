"""Commands that take poles of features, as -243, which are no options."""

import re
from typing import Any

from typer.core import TyperCommand

_NEGATIVE = re.compile(r"-\d")


class PoleCommand(TyperCommand):
    """A command of which an argument may begin with a minus and a digit, with or without `--`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See `TyperCommand`; no option of saelake is a digit."""
        ctx.ignore_unknown_options = any(_NEGATIVE.match(argument) for argument in args)
        return super().parse_args(ctx, args)
