"""Commands that group: features that fire together or do the same, documents that are alike."""

from contextlib import AbstractContextManager
from typing import Annotated

import typer

from saelake.answers.clusters import Clusters
from saelake.answers.families import Families
from saelake.cli.options.analyses import (
    PANEL,
    AllOption,
    ChosenOption,
    ControlOption,
    CoverageOption,
    MinScoreOption,
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
    split_numbers,
)
from saelake.cli.options.language import AskedModel, named_model
from saelake.cli.options.shared import shares
from saelake.cli.options.words import InWords, named_in_words
from saelake.cli.show import analyses
from saelake.cli.show.screen import answer, out
from saelake.cli.show.waiting import waiting
from saelake.cli.words import explain_groups
from saelake.collection import Collection
from saelake.explaining.naming.options import NamingOptions
from saelake.lake import Lake
from saelake.store.requests.cluster import Clustering, ClusterQuery
from saelake.store.requests.correlate import Adjacent, CorrelateQuery
from saelake.store.requests.families import FamiliesQuery
from saelake.store.requests.match import MatchBy, MatchQuery

AskedLake = AbstractContextManager[Lake]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (correlate, cluster, match, families):
        app.command(rich_help_panel=PANEL)(command)


@shares("place", asked_lake)
def correlate(
    a: SelectionArgument,
    b: Annotated[
        str | None,
        typer.Argument(metavar="[SELECTION]", help="Texts aligned with the first, by --align."),
    ] = None,
    *,
    align: Annotated[
        str | None, typer.Option(help="The column whose equal values align two texts.")
    ] = None,
    features: Annotated[str | None, typer.Option(help="Only pairs with one of: 12,34.")] = None,
    min_npmi: Annotated[
        float, typer.Option(help="Only pairs at least as strong.")
    ] = CorrelateQuery.min_npmi,
    min_documents: Annotated[
        int, typer.Option(help="Only pairs that fire together in as many documents.")
    ] = CorrelateQuery.min_documents,
    max_coverage: CoverageOption = CorrelateQuery.max_coverage,
    max_label_similarity: Annotated[
        float | None, typer.Option(help="Only pairs whose labels are no more alike (cosine).")
    ] = None,
    adjacent: Annotated[
        Adjacent, typer.Option(help="Keep or drop pairs that fire on one or neighbouring tokens.")
    ] = CorrelateQuery.adjacent,
    control: ControlOption = None,
    k: Annotated[int | None, typer.Option("-k", help="How many pairs.")] = CorrelateQuery.k,
    every: AllOption = False,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """Which features fire in the same documents (NPMI).

    Examples: `saelake correlate imdb/minilm-l4 --adjacent drop`,
    `saelake correlate prompts/l4 answers/l4 --align prompt_id --min-npmi 0.5`
    """
    with place as found, waiting(format):
        pairs = selected(found, a).correlate(
            None if b is None else selected(found, b),
            align=align,
            features=split_numbers(features) or (),
            min_npmi=min_npmi,
            min_documents=min_documents,
            max_coverage=max_coverage,
            max_label_similarity=max_label_similarity,
            adjacent=adjacent,
            k=None if every else k,
            control=split_names(control),
        )
    answer(
        format,
        pairs.to_arrow(),
        document=lambda: analyses.typed_notes(pairs.to_plain()),
        show=lambda: out.print(analyses.correlations(pairs)),
    )


@shares("place", asked_lake)
@shares("language", named_model)
@shares("words", named_in_words)
def cluster(
    collection: CollectionArgument,
    *,
    n_clusters: Annotated[
        int, typer.Option("-n", help="How many clusters.")
    ] = ClusterQuery.n_clusters,
    features: Annotated[str | None, typer.Option(help="Compare in these features: 12,34.")] = None,
    about: Annotated[
        str | None, typer.Option(help="Compare in the features about this phrase.")
    ] = None,
    where: WhereOption = None,
    method: Annotated[
        Clustering, typer.Option(help="spectral for any size; jaccard as published, for thousands.")
    ] = ClusterQuery.method,
    seed: Annotated[
        int, typer.Option(help="Where the random start comes from.")
    ] = ClusterQuery.seed,
    min_score: MinScoreOption = None,
    chosen: ChosenOption = False,
    format: FormatOption = "table",  # noqa: A002
    words: InWords[NamingOptions],
    language: AskedModel | None,
    place: AskedLake,
) -> None:
    """Groups of documents that are alike, in all features or in some.

    Examples: `saelake cluster news/minilm-l4 -n 5`,
    `saelake cluster imdb/minilm-l4 -n 2 --about "praise and criticism"`,
    `saelake cluster imdb/minilm-l4 -n 5 --explain --model NAME`
    """
    words.said.check(language)

    def clusters(of: Collection) -> Clusters:
        return of.cluster(
            n_clusters,
            features=split_numbers(features) or (),
            about=about,
            method=method,
            seed=seed,
            min_score=min_score,
        )

    if words.said.explain:
        with place as found:
            explain_groups(narrowed(found, collection, where), clusters, words, language, format)
        return
    with place as found, waiting(format):
        groups = clusters(narrowed(found, collection, where))
    answer(
        format,
        groups.to_arrow(),
        document=lambda: groups.to_plain(chosen=chosen),
        show=lambda: out.print(analyses.clusters(groups, chosen=chosen)),
    )


@shares("place", asked_lake)
def match(
    a: CollectionArgument,
    b: CollectionArgument,
    *,
    features: Annotated[
        str | None, typer.Option(help="These features of the first: 12,34.")
    ] = None,
    where: WhereOption = None,
    by: Annotated[MatchBy, typer.Option(help="What is compared.")] = MatchQuery.by,
    k: Annotated[int, typer.Option("-k", help="How many for each feature.")] = MatchQuery.k,
    format: FormatOption = "table",  # noqa: A002
    place: AskedLake,
) -> None:
    """Which features of another dictionary do the same, on the same tokens.

    Example: `saelake match imdb/small imdb/large --features 12,34 -k 3`
    """
    with place as found, waiting(format):
        first = narrowed(found, a, where)
        pairs = first.match(found[b], features=split_numbers(features) or (), by=by, k=k)
    answer(
        format,
        pairs.to_arrow(),
        document=pairs.to_plain,
        show=lambda: out.print(analyses.matches(pairs)),
    )


@shares("place", asked_lake)
@shares("language", named_model)
@shares("words", named_in_words)
def families(
    selection: SelectionArgument,
    *,
    min_npmi: Annotated[
        float, typer.Option(help="How strongly two must fire together.")
    ] = FamiliesQuery.min_npmi,
    min_documents: Annotated[
        int, typer.Option(help="In how many documents at least.")
    ] = FamiliesQuery.min_documents,
    max_coverage: CoverageOption = FamiliesQuery.max_coverage,
    control: ControlOption = None,
    k: Annotated[int | None, typer.Option("-k", help="How many families.")] = FamiliesQuery.k,
    every: AllOption = False,
    format: FormatOption = "table",  # noqa: A002
    words: InWords[NamingOptions],
    language: AskedModel | None,
    place: AskedLake,
) -> None:
    """Groups of features that fire in the same documents.

    Examples: `saelake families imdb/minilm-l4 --min-npmi 0.7`,
    `saelake families imdb/minilm-l4 -k 10 --explain --model NAME`
    """
    words.said.check(language)

    def grouped(of: Collection) -> Families:
        return of.families(
            min_npmi=min_npmi,
            min_documents=min_documents,
            max_coverage=max_coverage,
            k=None if every else k,
            control=split_names(control),
        )

    if words.said.explain:
        with place as found:
            explain_groups(selected(found, selection), grouped, words, language, format)
        return
    with place as found, waiting(format):
        groups = grouped(selected(found, selection))
    answer(
        format,
        groups.to_arrow(),
        document=lambda: analyses.typed_notes(groups.to_plain()),
        show=lambda: out.print(analyses.families(groups)),
    )
