"""Commands that take poles of features, as -243, which are no options."""

import re
from typing import Any

from typer.core import TyperCommand

from saelake.store.errors import InvalidInput
from saelake.store.format.poles import numbered, parted

_NEGATIVE = re.compile(r"-\d")


class PoleCommand(TyperCommand):
    """A command of which an argument may begin with a minus and a digit, with or without `--`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See `TyperCommand`; no option of saelake is a digit."""
        ctx.ignore_unknown_options = any(_NEGATIVE.match(argument) for argument in args)
        return super().parse_args(ctx, args)


def asked_feature(expression: str) -> dict[str, int | str]:
    """What was asked for, for JSON: a feature's number, with its pole; or an expression."""
    try:
        feature, pole = parted(numbered(expression))
    except InvalidInput:
        return {"feature": expression.strip()}
    return {"feature": feature, "pole": pole} if pole else {"feature": feature}
