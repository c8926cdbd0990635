"""Options about kept activations: to keep them, and to encode from them."""

import re
from itertools import pairwise
from typing import Annotated, Any

import typer

from saelake.cli.options.ray import ClusterCommand
from saelake.workers.encoder.options import KeepOptions, KeptDtypeChoice

PANEL = "Dense activations"
KEEP, ALL = "--keep-activations", "1"

KeepOption = Annotated[
    float | None,
    typer.Option(
        KEEP,
        metavar="[FRACTION]",
        help="Also keep the dense activations of this share of tokens; of all without a number.",
        rich_help_panel=PANEL,
    ),
]
KeptDtypeOption = Annotated[
    KeptDtypeChoice,
    typer.Option(
        "--activations-dtype",
        help="How they are stored; auto takes bfloat16 where float16 might overflow.",
        rich_help_panel=PANEL,
    ),
]
FromActivationsOption = Annotated[
    str | None,
    typer.Option(
        metavar="CORPUS/DICTIONARY",
        help="Encode the activations kept of this collection, in place of running a model.",
        rich_help_panel=PANEL,
    ),
]


class KeepingCommand(ClusterCommand):
    """A command whose `--keep-activations` may stand without a number, and then means all."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, with the share that `--keep-activations` alone means."""
        return super().parse_args(ctx, with_fraction(args))


def with_fraction(args: list[str]) -> list[str]:
    """The arguments, with a share after each `--keep-activations` that has none."""
    complete = []
    for word, following in pairwise([*args, "-"]):
        complete.append(word)
        if word == KEEP and not re.fullmatch(r"[\d.]+(e-?\d+)?", following):
            complete.append(ALL)
    return complete


def keep_options(fraction: float | None, dtype: KeptDtypeChoice) -> KeepOptions | None:
    """Which activations to keep, or None. Raises `InvalidInput`."""
    return None if fraction is None else KeepOptions(fraction=fraction, dtype=dtype)
