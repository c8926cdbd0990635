"""Commands that compare documents: two sides, or by a column of metadata."""

from contextlib import AbstractContextManager
from typing import Annotated, Any

import typer

from saelake.cli.options.analyses import (
    PANEL,
    AllOption,
    ClusterByOption,
    ControlOption,
    PoolingOption,
    SelectionArgument,
)
from saelake.cli.options.lake import (
    CollectionArgument,
    FormatOption,
    WhereOption,
    asked_lake,
    narrowed,
    selected,
    split_names,
)
from saelake.cli.options.language import AskedModel, named_model
from saelake.cli.options.shared import shares
from saelake.cli.options.words import PANEL as IN_WORDS
from saelake.cli.options.words import InWords, compared_in_words
from saelake.cli.show import analyses
from saelake.cli.show.screen import answer, out
from saelake.cli.show.waiting import waiting
from saelake.cli.words import explain_association, explain_diff
from saelake.explaining.hypotheses.options import HypothesisOptions
from saelake.lake import Lake
from saelake.store.errors import InvalidInput
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.diff import DiffOrder, DiffQuery, Unit

AskedLake = AbstractContextManager[Lake]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (diff, associate):
        app.command(rich_help_panel=PANEL)(command)


@shares("place", asked_lake)
@shares("language", named_model)
@shares("words", compared_in_words)
def diff(
    a: SelectionArgument,
    others: Annotated[
        list[str], typer.Argument(metavar="SELECTION...", help="What to compare with.")
    ],
    *,
    k: Annotated[int | None, typer.Option("-k", help="How many features.")] = DiffQuery.k,
    every: AllOption = False,
    unit: Annotated[Unit, typer.Option(help="What is counted.")] = DiffQuery.unit,
    threshold: Annotated[
        float, typer.Option(help="A feature fires above this value.")
    ] = DiffQuery.threshold,
    min_coverage: Annotated[
        float, typer.Option(help="Leave out features rarer than this on a side.")
    ] = DiffQuery.min_coverage,
    max_coverage: Annotated[
        float, typer.Option(help="Leave out features more frequent than this on a side.")
    ] = DiffQuery.max_coverage,
    order: Annotated[DiffOrder, typer.Option(help="What comes first.")] = DiffQuery.order,
    align: Annotated[
        str | None, typer.Option(help="Compare documents with all of one value in this column.")
    ] = None,
    cluster_by: ClusterByOption = None,
    control: ControlOption = None,
    level: Annotated[float, typer.Option(help="The confidence of intervals.")] = DiffQuery.level,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Test what differs again, in documents held back.")
    ] = DiffQuery.confirm,
    confirm_share: Annotated[
        float, typer.Option(help="The share of documents that --confirm holds back.")
    ] = DiffQuery.confirm_share,
    examples: Annotated[
        bool, typer.Option(help="Find each feature's strongest tokens.")
    ] = DiffQuery.examples,
    format: FormatOption = "table",  # noqa: A002
    words: InWords[HypothesisOptions],
    language: AskedModel | None,
    place: AskedLake,
) -> None:
    """Which features fire more in one selection than in others, and how sure that is.

    Of several others it is the one in which the feature is most frequent (with --align or --control
    compared with a: the smallest a - b), as each row says. Tests are two-sided; the exact ones give
    mid-p-values, twice the smaller tail.

    Examples: `saelake diff "imdb/l4 where label = 'pos'" "imdb/l4 where label = 'neg'"`,
    `saelake diff "chat/l4 where model = 'a'" "chat/l4 where model = 'b'" --align prompt_id`,
    `saelake diff "news/l4 where year < 2000" "news/l4 where year >= 2000" --control length`,
    `saelake diff "imdb/l4 where rating > 8" "imdb/l4 where rating < 3" --explain --model NAME`
    """
    asked: dict[str, Any] = {
        "k": None if every else k,
        "unit": unit,
        "threshold": threshold,
        "min_coverage": min_coverage,
        "max_coverage": max_coverage,
        "order": order,
        "align": align,
        "cluster_by": cluster_by,
        "control": split_names(control),
        "level": level,
        "confirm": confirm,
        "confirm_share": confirm_share,
        "examples": examples,
    }
    words.said.check(language)
    if words.said.explain:
        with place as found:
            sides = [selected(found, text) for text in (a, *others)]
            explain_diff(sides, words, language, asked, format)
        return
    with place as found, waiting(format):
        first, *rest = (selected(found, text) for text in (a, *others))
        rows = first.diff(*rest, **asked)
    answer(
        format,
        rows.to_arrow(),
        document=lambda: analyses.typed_notes(rows.to_plain()),
        show=lambda: out.print(analyses.diff(rows, (a, *others), out)),
    )


@shares("place", asked_lake)
@shares("language", named_model)
@shares("words", compared_in_words)
def associate(
    collection: CollectionArgument,
    columns: Annotated[
        list[str], typer.Argument(metavar="COLUMN...", help="One column, or two of coordinates.")
    ],
    *,
    k: Annotated[int | None, typer.Option("-k", help="How many features.")] = AssociateQuery.k,
    every: AllOption = False,
    where: WhereOption = None,
    pooling: PoolingOption = AssociateQuery.pooling,
    min_documents: Annotated[
        int, typer.Option(help="Leave out features that fire in fewer documents.")
    ] = AssociateQuery.min_documents,
    control: ControlOption = None,
    cluster_by: ClusterByOption = None,
    level: Annotated[
        float, typer.Option(help="The confidence of intervals.")
    ] = AssociateQuery.level,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Test what is found again, in documents held back.")
    ] = AssociateQuery.confirm,
    confirm_share: Annotated[
        float, typer.Option(help="The share of documents that --confirm holds back.")
    ] = AssociateQuery.confirm_share,
    format: FormatOption = "table",  # noqa: A002
    value: Annotated[
        str | None,
        typer.Option(
            help="The value that --explain is about; of two it need not be named.",
            rich_help_panel=IN_WORDS,
        ),
    ] = None,
    words: InWords[HypothesisOptions],
    language: AskedModel | None,
    place: AskedLake,
) -> None:
    """Which features go with a metadata column: classes, numbers, or coordinates.

    Examples: `saelake associate imdb/minilm-l4 rating --control length`,
    `saelake associate news/minilm-l4 label --where "label in ('sport', 'tech')"`,
    `saelake associate news/minilm-l4 label --value sport --explain --model NAME`
    """
    asked: dict[str, Any] = {
        "k": None if every else k,
        "pooling": pooling,
        "min_documents": min_documents,
        "control": split_names(control),
        "cluster_by": cluster_by,
        "level": level,
        "confirm": confirm,
        "confirm_share": confirm_share,
    }
    words.said.check(language)
    if words.said.explain:
        with place as found:
            of = narrowed(found, collection, where)
            explain_association(of, columns, value, words, language, asked, format)
        return
    if value is not None:
        raise InvalidInput("--value is for --explain: give both.")
    with place as found, waiting(format):
        rows = found[collection].associate(*columns, where=where, **asked)
    answer(
        format,
        rows.to_arrow(),
        document=lambda: analyses.typed_notes(rows.to_plain()),
        show=lambda: out.print(analyses.associations(rows)),
    )
