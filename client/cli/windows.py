"""Commands of places: where features fire, and the tokens around."""

import re
from contextlib import AbstractContextManager
from typing import Annotated

import typer
from rich.text import Text

from saelake.arguments import features_in
from saelake.cli.options.lake import CollectionArgument, FormatOption, WhereOption, asked_lake
from saelake.cli.options.poles import PoleCommand
from saelake.cli.options.shared import shares
from saelake.cli.show.screen import answer, out
from saelake.lake import Lake
from saelake.store.errors import InvalidInput
from saelake.store.requests.places import PlacesQuery
from saelake.store.requests.tokens import Order
from saelake.store.requests.windows import WindowsQuery

PANEL = "Ask"


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    for command in (places, windows):
        app.command(rich_help_panel=PANEL, cls=PoleCommand)(command)


@shares("place", asked_lake)
def places(
    collection: CollectionArgument,
    features: Annotated[
        list[str], typer.Argument(metavar="FEATURE...", help="Features, or poles of them: 12 -34.")
    ],
    *,
    k: Annotated[int, typer.Option("-k", help="How many documents of each.")] = PlacesQuery.k,
    where: WhereOption = None,
    order: Annotated[
        Order, typer.Option(help="The strongest, or k spread from strong to weak.")
    ] = PlacesQuery.order,
    format: FormatOption = "table",  # noqa: A002
    place: AbstractContextManager[Lake],
) -> None:
    """Where several features fire: documents and positions, as `windows` takes them.

    Example: `saelake places imdb/minilm-l4 1234 99 -k 3`
    """
    with place as found:
        rows = found[collection].places(features, k, where=where, order=order)
    answer(
        format,
        rows.to_arrow(),
        document=rows.to_plain,
        show=lambda: out.print(Text(repr(rows))),
    )


@shares("place", asked_lake)
def windows(
    collection: CollectionArgument,
    feature: Annotated[
        str,
        typer.Argument(help="The feature, or a pole of it: -12; or one for each place: 12,-34."),
    ],
    places: Annotated[
        list[str],
        typer.Argument(metavar="DOC:POSITION...", help="Documents by number, and tokens of them."),
    ],
    *,
    n_tokens: Annotated[int, typer.Option(help="The tokens of a window.")] = WindowsQuery.n_tokens,
    format: FormatOption = "table",  # noqa: A002
    place: AbstractContextManager[Lake],
) -> None:
    """The tokens around places, and how strongly a feature fires at each.

    Examples: `saelake windows imdb/minilm-l4 1234 17:5 4:0 --n-tokens 16`,
    `saelake windows imdb/minilm-l4 1234,99 17:5 4:0`
    """
    docs, positions = zip(*map(_place, places), strict=True)
    with place as found:
        rows = found[collection].windows(features_in(feature), docs, positions, n_tokens=n_tokens)
    answer(
        format,
        rows.to_arrow(),
        document=rows.to_plain,
        show=lambda: out.print(Text(repr(rows))),
    )


def _place(text: str) -> tuple[int, int]:
    """The document and the position in `17:5`. Raises `InvalidInput`."""
    found = re.fullmatch(r"(\d{1,18}):(\d{1,18})", text, re.ASCII)
    if found is None:
        raise InvalidInput(f"{text!r} is no place: write DOC:POSITION, as 17:5.", place=text)
    return int(found[1]), int(found[2])
