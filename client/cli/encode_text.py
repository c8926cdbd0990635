"""The command that encodes texts which are not documents."""

import sys
from contextlib import AbstractContextManager
from typing import Annotated

import typer

from saelake.cli.options.lake import CollectionArgument, FormatOption, asked_lake, split_numbers
from saelake.cli.options.shared import shares
from saelake.cli.show import encoded
from saelake.cli.show.screen import answer, out
from saelake.cli.show.waiting import waiting
from saelake.lake import Lake
from saelake.store.requests.encode import EncodeQuery

AskedLake = AbstractContextManager[Lake]


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Ask")(encode_text)


@shares("place", asked_lake)
def encode_text(
    collection: CollectionArgument,
    texts: Annotated[
        list[str], typer.Argument(metavar="TEXT...", help="One text or several; - reads it.")
    ],
    *,
    k: Annotated[
        int | None, typer.Option("-k", help="How many features of each token.")
    ] = EncodeQuery.k,
    every: Annotated[bool, typer.Option("--all", help="All features, in place of -k.")] = False,
    only: Annotated[
        str | None, typer.Option("--features", help="Only these features: 12,34.")
    ] = None,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """Which features fire on the tokens of a text, by the collection's model and dictionary.

    Nothing is stored: `encode` is for corpora.

    Example: `saelake encode-text imdb/minilm-l4 "A rainy day." -k 3`
    """
    given = [sys.stdin.read() if text == "-" else text for text in texts]
    wanted = split_numbers(only)
    with place as found, waiting(format):
        tokens = found[collection].encode(given, None if every else k, features=wanted)
    answer(
        format,
        tokens.to_arrow(),
        document=tokens.to_plain,
        show=lambda: out.print(encoded.tokens(tokens)),
    )
