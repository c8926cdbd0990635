"""Commands that ask: tokens, features, document, info, verify, export."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from saelake.answers.features import Feature
from saelake.answers.text import named
from saelake.cli.maintain import repaired
from saelake.cli.options.lake import (
    CollectionArgument,
    FormatOption,
    WhereOption,
    asked_lake,
    split_numbers,
)
from saelake.cli.options.poles import PoleCommand
from saelake.cli.options.shared import shares
from saelake.cli.show import lookups
from saelake.cli.show.progress import Counter
from saelake.cli.show.screen import answer, out, say
from saelake.cli.show.waiting import waiting
from saelake.collection import Collection
from saelake.exports.vectors import VectorsOf
from saelake.lake import Lake
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.requests.features import FeatureOrder, FeaturesQuery
from saelake.store.requests.texts import TextsQuery
from saelake.store.requests.tokens import Order, Per, TokensQuery

PANEL = "Ask"
AskedLake = AbstractContextManager[Lake]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (tokens, features):
        app.command(rich_help_panel=PANEL, cls=PoleCommand)(command)
    for command in (document, export, info, verify):
        app.command(rich_help_panel=PANEL)(command)


@shares("place", asked_lake)
def tokens(
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
    k: Annotated[int | None, typer.Option("-k", help="How many hits.")] = TokensQuery.k,
    every: Annotated[bool, typer.Option("--all", help="All hits, in place of -k.")] = False,
    per: Annotated[
        Per, typer.Option(help="Each document's best token, or every token by itself.")
    ] = TokensQuery.per,
    where: WhereOption = None,
    order: Annotated[
        Order, typer.Option(help="The strongest, or k hits spread from strong to weak.")
    ] = TokensQuery.order,
    scope: Annotated[
        str,
        typer.Option(help="Where an expression's features must meet: token, document, window:N."),
    ] = TokensQuery.scope,
    context: Annotated[
        int, typer.Option(help="Characters of text on each side.")
    ] = TokensQuery.context,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """Which tokens fire a feature, or an expression of features; strongest first.

    Examples: `saelake tokens imdb/minilm-l4 1234 -k 5`,
    `saelake tokens imdb/minilm-l4 "12 & 34" --scope window:8 --where "label = 'pos'"`
    """
    with place as found:
        hits = found[collection].tokens(
            expression,
            None if every else k,
            per=per,
            where=where,
            order=order,
            scope=scope,
            context=context,
        )
    answer(
        format,
        hits.to_arrow(),
        document=hits.to_plain,
        show=lambda: out.print(lookups.tokens(hits, out)),
    )


@shares("place", asked_lake)
def features(
    collection: CollectionArgument,
    numbers: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FEATURE]...", help="These features only, or poles: 12 -34."),
    ] = None,
    *,
    token: Annotated[str | None, typer.Option(help="Features that peak on this word.")] = None,
    name: Annotated[str | None, typer.Option(help="Features that are called this.")] = None,
    k: Annotated[int | None, typer.Option("-k", help="How many features.")] = FeaturesQuery.k,
    every: Annotated[bool, typer.Option("--all", help="All features, in place of -k.")] = False,
    order: Annotated[FeatureOrder, typer.Option(help="What comes first.")] = FeaturesQuery.order,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """How features behave: how often they fire, how strongly, and on which words.

    Examples: `saelake features imdb/minilm-l4 --token film`,
    `saelake features imdb/minilm-l4 12 34`, `saelake features articles/splade --name rain`
    """
    with place as found:
        rows = found[collection].features(
            numbers or None, token=token, name=name, k=None if every else k, order=order
        )
    answer(
        format,
        rows.to_arrow(),
        document=rows.to_plain,
        show=lambda: out.print(lookups.features(rows)),
    )


@shares("place", asked_lake)
def document(
    collection: CollectionArgument,
    id: Annotated[str | None, typer.Argument(help="The document's id.")] = None,  # noqa: A002
    *,
    doc: Annotated[int | None, typer.Option(help="Its number, in place of its id.")] = None,
    only: Annotated[
        str | None, typer.Option("--features", help="Only these features: 12,34.")
    ] = None,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """One document, with the tokens marked on which its strongest features fire.

    Example: `saelake document imdb/minilm-l4 tt0111161_7`
    """
    wanted = split_numbers(only)
    with place as found:
        one = found[collection].document(id, doc=doc, features=wanted)
        strongest = [named(a.feature, a.pole) for a in one.strongest(lookups.FEATURES_SHOWN)]
        usual = known_features(found[collection], strongest) if format == "table" else {}
    answer(
        format,
        one.to_arrow(),
        document=one.to_plain,
        show=lambda: out.print(lookups.document(one, usual, wanted, out)),
    )


def known_features(collection: Collection, names: Sequence[int | str]) -> dict[int | str, Feature]:
    """Statistics of these features, or nothing where the collection is not indexed."""
    try:
        found = collection.features(names) if names else ()
        return {named(f.feature, f.pole): f for f in found}
    except NotFound:
        return {}


@shares("place", asked_lake)
def export(
    collection: Annotated[
        str, typer.Argument(metavar="NAME", help="A collection; of --texts a corpus, as imdb.")
    ],
    *,
    codes: Annotated[
        Path | None, typer.Option(help="Write every code to this Parquet file.")
    ] = None,
    embeddings: Annotated[
        Path | None, typer.Option(help="Write the SAE embeddings to this .npz (SciPy CSR).")
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(help="Write vectors to this file of JSON lines (.jsonl, .jsonl.gz)."),
    ] = None,
    by: Annotated[
        VectorsOf, typer.Option(help="Of --vectors: one of each document, or of each unit.")
    ] = "document",
    with_texts: Annotated[
        bool, typer.Option("--with-texts", help="Of --vectors: with the documents' texts.")
    ] = False,
    texts: Annotated[
        Path | None, typer.Option(help="Write the documents to this Parquet file.")
    ] = None,
    sample: Annotated[int | None, typer.Option(help="Of --texts only so many.")] = None,
    seed: Annotated[int, typer.Option(help="Which --sample: always the same.")] = TextsQuery.seed,
    where: WhereOption = None,
    place: AskedLake,
) -> None:
    """Write codes, SAE embeddings or documents to a file, which appears when it is whole.

    Vectors are sparse, {id, vector: {feature: value}}: `saelake import-codes` reads them again.

    Examples: `saelake export imdb/minilm-l4 --codes codes.parquet`,
    `saelake export imdb/minilm-l4 --vectors imdb.jsonl --with-texts`,
    `saelake export imdb/minilm-l4 --embeddings imdb.npz --where "label = 'pos'"`
    """
    if not any((codes, embeddings, texts, vectors)):
        raise InvalidInput(
            "Say what to export: --codes OUT.parquet, --embeddings OUT.npz, --vectors OUT.jsonl or "
            "--texts OUT.parquet."
        )
    with place as found:
        if texts is not None:
            corpus = collection.partition("/")[0]
            with Counter("Exporting", "documents") as counter:
                n = found.export_texts(
                    texts, corpus, where=where, sample=sample, seed=seed, on_progress=counter
                )
            say(f"Wrote {n:,} documents to {texts}")
        if not any((codes, embeddings, vectors)):
            return
        chosen = found[collection]
        if vectors is not None:
            with Counter("Exporting", "vectors") as counter:
                n = chosen.export_vectors(
                    vectors, by=by, where=where, texts=with_texts, on_progress=counter
                )
            say(f"Wrote {n:,} vectors to {vectors}")
        if codes is not None:
            with Counter("Exporting", "codes") as counter:
                n = chosen.export_codes(codes, where=where, on_progress=counter)
            say(f"Wrote {n:,} codes to {codes}")
        if embeddings is not None:
            with Counter("Exporting", "documents") as counter:
                n = chosen.export_embeddings(embeddings, where=where, on_progress=counter)
            say(f"Wrote {n:,} documents to {embeddings}")


@shares("place", asked_lake)
def info(
    *,
    program: Annotated[
        bool,
        typer.Option(
            "--program", help="Also say which saelake answers, and the state that the lake is in."
        ),
    ] = False,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """What is in a lake: corpora, collections, and how far they are.

    Examples: `saelake info`, `saelake info --server localhost:50051`
    """
    with place as found:
        rows = found.info()
        known = found.version() if program else None
    answer(
        format,
        rows.to_arrow(),
        document=lambda: {
            **rows.to_plain(),
            **({} if known is None else {"program": asdict(known)}),
        },
        show=lambda: out.print(lookups.info(rows)),
    )
    if known is not None and format == "table":
        say(f"saelake {known.version}, wire {known.wire}. The state now, for --at: {known.state}")


@shares("place", asked_lake)
def verify(
    collection: Annotated[
        str | None, typer.Argument(metavar="[COLLECTION]", help="Only this one.")
    ] = None,
    *,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="First take damaged codes out (encode makes them again), and make postings and "
            "statistics again where they do not agree.",
        ),
    ] = False,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """Check that all tables agree with each other; exits with 1 if any is damaged.

    Examples: `saelake verify`, `saelake verify imdb/minilm-l4 --repair`
    """
    with place as found, waiting(format):
        for done in found.repair(collection) if repair else ():
            say(repaired(done))
        checks = found.verify(collection)
    answer(
        format,
        checks.to_arrow(),
        document=checks.to_plain,
        show=lambda: out.print(lookups.verification(checks)),
    )
    if not checks.ok:
        raise typer.Exit(1)
