"""The command that tells which values a metadata column has."""

from contextlib import AbstractContextManager
from typing import Annotated

import typer

from saelake.cli.options.analyses import PANEL, AllOption, BinsOption, ValuesOption
from saelake.cli.options.lake import CollectionArgument, FormatOption, WhereOption, asked_lake
from saelake.cli.options.shared import shares
from saelake.cli.show import values as showing
from saelake.cli.show.screen import answer, out
from saelake.lake import Lake
from saelake.store.requests.values import ValueOrder, ValuesQuery


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel=PANEL)(values)


@shares("place", asked_lake)
def values(
    collection: CollectionArgument,
    by: Annotated[
        str,
        typer.Argument(metavar="COLUMN", help="The column of metadata, or column.field."),
    ],
    *,
    k: ValuesOption = ValuesQuery.k,
    every: AllOption = False,
    where: WhereOption = None,
    bins: BinsOption = ValuesQuery.bins,
    order: Annotated[
        ValueOrder, typer.Option(help="What comes first: most documents, or by value.")
    ] = ValuesQuery.order,
    format: FormatOption = "table",  # noqa: A002
    place: AbstractContextManager[Lake],
) -> None:
    """Which values a metadata column has, and how many documents have each.

    Counted are the documents that have codes. With each value stands the filter that keeps its
    documents, for --where. Numbers and times with many values are put into bins between quantiles.

    Examples: `saelake values imdb/minilm-l4 label`,
    `saelake values imdb/minilm-l4 year --bins 5 --where "label = 'pos'"`
    """
    with place as found:
        rows = found[collection].values(
            by, where=where, k=None if every else k, bins=bins, order=order
        )
    answer(
        format,
        rows.to_arrow(),
        document=rows.to_plain,
        show=lambda: out.print(showing.values(rows, out)),
    )
