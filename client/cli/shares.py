"""The command that tells how often a feature fires by the values of a column."""

from contextlib import AbstractContextManager
from typing import Annotated

import typer

from saelake.cli.options.analyses import PANEL, AllOption, BinsOption, ValuesOption
from saelake.cli.options.lake import CollectionArgument, FormatOption, WhereOption, asked_lake
from saelake.cli.options.poles import PoleCommand
from saelake.cli.options.shared import shares as sharing
from saelake.cli.show import shares as showing
from saelake.cli.show.screen import answer, out
from saelake.lake import Lake
from saelake.store.requests.shares import ShareOrder, SharesQuery


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel=PANEL, cls=PoleCommand)(shares)


@sharing("place", asked_lake)
def shares(
    collection: CollectionArgument,
    expression: Annotated[
        str,
        typer.Argument(
            metavar="FEATURE",
            help="A feature number, or an expression: '12 & !34', '12 > 3.0'. Of a signed "
            "dictionary also a pole: -12, '12 < -3.0'.",
        ),
    ],
    *,
    by: Annotated[str, typer.Option(help="The column of metadata, or column.field.")],
    k: ValuesOption = SharesQuery.k,
    every: AllOption = False,
    where: WhereOption = None,
    bins: BinsOption = SharesQuery.bins,
    order: Annotated[
        ShareOrder, typer.Option(help="What comes first: most documents, the largest share.")
    ] = SharesQuery.order,
    level: Annotated[float, typer.Option(help="The confidence of intervals.")] = SharesQuery.level,
    format: FormatOption = "table",  # noqa: A002
    place: AbstractContextManager[Lake],
) -> None:
    """How often a feature fires in the documents of each value of a column.

    Intervals are Wilson's, of each share; the lift is against all documents. Numbers and times with
    many values are put into bins between quantiles. The test is that the share is the same in
    every row; V says how far from it, of 0 to 1.

    Examples: `saelake shares imdb/minilm-l4 1234 --by label`,
    `saelake shares imdb/minilm-l4 "12 & !34" --by year --bins 5 --where "label = 'pos'"`
    """
    with place as found:
        rows = found[collection].shares(
            expression,
            by=by,
            where=where,
            k=None if every else k,
            bins=bins,
            order=order,
            level=level,
        )
    answer(
        format,
        rows.to_arrow(),
        document=rows.to_plain,
        show=lambda: out.print(showing.shares(rows, out)),
    )
