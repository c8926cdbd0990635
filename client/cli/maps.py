"""Commands about maps: make one, and print its points."""

from contextlib import AbstractContextManager
from functools import partial
from typing import Annotated

import typer

from saelake.answers.text import several
from saelake.cli.options.analyses import PANEL, AllOption
from saelake.cli.options.lake import (
    CollectionArgument,
    FormatOption,
    WhereOption,
    asked_lake,
    changes,
    split_numbers,
)
from saelake.cli.options.shared import shares
from saelake.cli.show import maps as shown
from saelake.cli.show.screen import answer, out, say
from saelake.cli.show.stages import Bars
from saelake.cli.show.waiting import waiting
from saelake.lake import Lake
from saelake.making.stages import Stage, watched
from saelake.store.requests.map import MapOf, MapQuery

AskedLake = AbstractContextManager[Lake]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(rich_help_panel="Build")(project)
    app.command("map", rich_help_panel=PANEL)(points)


@changes()
def project(
    collection: CollectionArgument,
    *,
    of: Annotated[MapOf, typer.Option(help="What the map is of.")] = MapQuery.of,
    seed: Annotated[int, typer.Option(help="Where the random start comes from.")] = 0,
    place: AskedLake,
) -> None:
    """Make a map: lay documents or features out in two dimensions, those alike near each other.

    It is stored, in place of the one before. Look at it with `saelake page`.

    Example: `saelake project imdb/minilm-l4 --of features`
    """
    with place as found, Bars(found) as bars:
        making = partial(found.project, collection, of, seed=seed)
        report = watched(bars, Stage(name="project", of=collection), making)
    by = f", by {report.n_fitted:,} that were laid out" if report.n_fitted < report.n else ""
    say(f"Done: a map of {several(report.n, of.removesuffix('s'))} of {collection}{by}")


@shares("place", asked_lake)
def points(
    collection: CollectionArgument,
    *,
    of: Annotated[MapOf, typer.Option(help="What the map is of.")] = MapQuery.of,
    where: WhereOption = None,
    inside: Annotated[
        str | None, typer.Option(help="Only in this area: '0 0, 0.5 0, 0.5 0.5'.")
    ] = None,
    rows: Annotated[
        str | None, typer.Option(help="Only these documents or features, by number: 12,34.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Say each document's value in this column.")
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="Say the sum of these features' values: 12,34.")
    ] = None,
    k: Annotated[int | None, typer.Option("-k", help="How many points.")] = MapQuery.k,
    every: AllOption = False,
    seed: Annotated[int, typer.Option(help="Which points are drawn.")] = MapQuery.seed,
    texts: Annotated[
        bool, typer.Option(help="Say ids, and beginnings of documents or labels.")
    ] = MapQuery.texts,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """Where documents or features lie on the map that `saelake project` made.

    Example: `saelake map imdb/minilm-l4 --inside "0 0, 0.5 0, 0.5 0.5" -k 20`
    """
    with place as found, waiting(format):
        found_points = found[collection].map(
            of,
            where=where,
            inside=inside,
            rows=[int(number) for number in split_numbers(rows) or ()],
            column=column,
            features=split_numbers(features) or (),
            k=None if every else k,
            seed=seed,
            texts=texts,
        )
    answer(
        format,
        found_points.to_arrow(),
        document=found_points.to_plain,
        show=lambda: out.print(shown.points(found_points)),
    )
