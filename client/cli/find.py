"""Commands that find documents."""

from contextlib import AbstractContextManager
from typing import Annotated

import typer

from saelake.cli.options.analyses import (
    PANEL,
    AllOption,
    ChosenOption,
    MethodOption,
    MinScoreOption,
    PoolingOption,
    SelectionArgument,
)
from saelake.cli.options.lake import (
    CollectionArgument,
    FormatOption,
    WhereOption,
    asked_lake,
    named_documents,
    narrowed,
    selected,
    split_numbers,
    split_weights,
)
from saelake.cli.options.language import AskedModel, named_model
from saelake.cli.options.shared import shares
from saelake.cli.options.words import ChosenByModel, chosen_by_model
from saelake.cli.show import analyses
from saelake.cli.show.screen import answer, out
from saelake.cli.show.waiting import waiting
from saelake.cli.words import retrieve_in_words
from saelake.explaining.retrieving.running import PhraseAsked
from saelake.lake import Lake
from saelake.store.requests.retrieve import RetrieveQuery
from saelake.store.requests.select import SelectQuery
from saelake.store.requests.similar import Measure, SimilarQuery

AskedLake = AbstractContextManager[Lake]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (similar, retrieve, select):
        app.command(rich_help_panel=PANEL)(command)


@shares("place", asked_lake)
def similar(
    collection: CollectionArgument,
    *,
    id: Annotated[  # noqa: A002
        list[str] | None,
        typer.Option(help="Like the document with this id. May be repeated: like all of them."),
    ] = None,
    doc: Annotated[
        list[str] | None, typer.Option(metavar="NUMBER", help="Like the document of this number.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Like this text.")] = None,
    features: Annotated[
        str | None, typer.Option(help="Like these features with values: 12:1.0,30:0.5.")
    ] = None,
    k: Annotated[int | None, typer.Option("-k", help="How many documents.")] = SimilarQuery.k,
    every: AllOption = False,
    where: WhereOption = None,
    pooling: PoolingOption = SimilarQuery.pooling,
    measure: Annotated[
        Measure, typer.Option(help="How embeddings are compared.")
    ] = SimilarQuery.measure,
    idf: Annotated[
        bool, typer.Option("--idf", help="Rare features count more.")
    ] = SimilarQuery.idf,
    within: Annotated[
        str | None, typer.Option(help="Compare only within these features: 12,34.")
    ] = None,
    about: Annotated[
        str | None, typer.Option(help="Compare only within features about this phrase.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Let features count more or less: 12:3,34:0.")
    ] = None,
    method: MethodOption = SimilarQuery.method,
    exact: Annotated[bool, typer.Option("--exact", help="No approximation.")] = SimilarQuery.exact,
    min_score: MinScoreOption = None,
    chosen: ChosenOption = False,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """Which documents are like a document, a text, or a mix of features.

    Examples: `saelake similar imdb/minilm-l4 --id test/pos/17 -k 5`,
    `saelake similar imdb/minilm-l4 --text "a slow, tender film" --about "pace of the story"`
    """
    with place as found, waiting(format):
        asked = found[collection]
        ids, docs = named_documents(asked, id or (), doc or ())
        documents = asked.similar(
            text,
            id=ids,
            doc=docs,
            features=split_weights(features),
            k=None if every else k,
            where=where,
            pooling=pooling,
            measure=measure,
            idf=idf,
            within=split_numbers(within) or (),
            about=about,
            weights=split_weights(weights),
            method=method,
            exact=exact,
            min_score=min_score,
        )
    answer(
        format,
        documents.to_arrow(),
        document=lambda: documents.to_plain(chosen=chosen),
        show=lambda: out.print(analyses.found(documents, chosen=chosen)),
    )


@shares("place", asked_lake)
@shares("language", named_model)
@shares("words", chosen_by_model)
def retrieve(
    collection: CollectionArgument,
    phrase: Annotated[str, typer.Argument(help="A property, as in 'sarcastic praise'.")],
    *,
    k: Annotated[int | None, typer.Option("-k", help="How many documents.")] = RetrieveQuery.k,
    every: AllOption = False,
    where: WhereOption = None,
    method: MethodOption = RetrieveQuery.method,
    n_features: Annotated[
        int, typer.Option("--features", help="How many features stand for the phrase.")
    ] = RetrieveQuery.n_features,
    min_score: MinScoreOption = None,
    chosen: ChosenOption = False,
    format: FormatOption = "table",  # noqa: A002
    words: ChosenByModel,
    language: AskedModel | None,
    place: AskedLake,
) -> None:
    """Which documents have the property that a phrase names (after `saelake label`).

    With --model a language model chooses the features, out of --candidates near the phrase.

    Examples: `saelake retrieve imdb/minilm-l4 "a disappointed viewer" -k 5`,
    `saelake retrieve imdb/minilm-l4 "sarcastic praise" --method sae --model NAME`
    """
    words.check(language)
    if language is not None:
        with place as found:
            retrieve_in_words(
                PhraseAsked(
                    collection=narrowed(found, collection, where),
                    phrase=phrase,
                    k=None if every else k,
                    method=method,
                    options=words.options(n_features, min_score),
                ),
                words.report,
                language,
                format,
            )
        return
    with place as found, waiting(format):
        documents = found[collection].retrieve(
            phrase,
            None if every else k,
            where=where,
            method=method,
            n_features=n_features,
            min_score=min_score,
        )
    answer(
        format,
        documents.to_arrow(),
        document=lambda: documents.to_plain(chosen=chosen),
        show=lambda: out.print(analyses.found(documents, chosen=chosen)),
    )


@shares("place", asked_lake)
def select(
    pool: SelectionArgument,
    target: SelectionArgument,
    *,
    k: Annotated[int | None, typer.Option("-k", help="How many documents.")] = SelectQuery.k,
    every: AllOption = False,
    pooling: PoolingOption = SelectQuery.pooling,
    idf: Annotated[bool, typer.Option(help="Rare features count more.")] = SelectQuery.idf,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """The documents of a pool that are most like a set of target documents.

    Example: `saelake select web/minilm-l4 "reviews/minilm-l4 where rating = 10" -k 100`
    """
    with place as found, waiting(format):
        documents = selected(found, pool).select(
            selected(found, target), None if every else k, pooling=pooling, idf=idf
        )
    answer(
        format,
        documents.to_arrow(),
        document=documents.to_plain,
        show=lambda: out.print(analyses.found(documents)),
    )
