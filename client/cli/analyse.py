"""Commands that look at documents and features as wholes."""

from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Annotated

import typer

from saelake.answers.clusters import Clusters
from saelake.answers.found import FoundDocuments
from saelake.cli.options.lake import (
    CollectionArgument,
    FormatOption,
    WhereOption,
    asked_lake,
    named_documents,
    selected,
    split_names,
    split_numbers,
    split_weights,
)
from saelake.cli.options.shared import shares
from saelake.cli.show import analyses
from saelake.cli.show.screen import answer, out
from saelake.lake import Lake
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.checks import Method, Pooling
from saelake.store.requests.cluster import Clustering, ClusterQuery
from saelake.store.requests.correlate import Adjacent, CorrelateQuery
from saelake.store.requests.diff import DiffOrder, DiffQuery, Unit
from saelake.store.requests.families import FamiliesQuery
from saelake.store.requests.match import MatchBy, MatchQuery
from saelake.store.requests.retrieve import RetrieveQuery
from saelake.store.requests.select import SelectQuery
from saelake.store.requests.similar import Measure, SimilarQuery

PANEL = "Analyse"
AskedLake = AbstractContextManager[Lake]

SelectionArgument = Annotated[
    str,
    typer.Argument(
        metavar="SELECTION",
        help="corpus/dictionary, or \"corpus/dictionary where label = 'pos'\".",
    ),
]
PoolingOption = Annotated[
    Pooling, typer.Option(help="How the values of a document's tokens become one.")
]
MethodOption = Annotated[
    Method, typer.Option(help="By features, by dense embeddings, or by the ranks in both.")
]
CoverageOption = Annotated[
    float, typer.Option(help="Leave out features that fire in more of the documents than this.")
]
MinScoreOption = Annotated[
    float | None,
    typer.Option(
        help="Only features whose labels have at least this score, as 0.8: how well their words "
        "predict where the feature fires. 0.5 is a guess."
    ),
]
ChosenOption = Annotated[
    bool, typer.Option("--chosen", help="Also show which features stand for the phrase.")
]
ControlOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[,NAME]",
        help="Compare documents alike in this: length (tokens), or a column. May be repeated.",
    ),
]
AllOption = Annotated[bool, typer.Option("--all", help="All, in place of -k.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    commands = (similar, retrieve, select, diff, associate, correlate, cluster, match, families)
    for command in commands:
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
    with place as found:
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
        document=lambda: {
            "recall": documents.recall,
            "hits": documents.to_dicts(),
            **(stands_for(documents) if chosen else {}),
        },
        show=lambda: out.print(analyses.found(documents, chosen=chosen)),
    )


def stands_for(answered: FoundDocuments | Clusters) -> dict[str, object]:
    """The features that stand for the phrase, for JSON; with poles where these are told apart."""
    rows = [asdict(feature) for feature in answered.chosen]
    unsaid = {"pole"} if all(row["pole"] is None for row in rows) else set()
    return {"chosen": [{k: v for k, v in row.items() if k not in unsaid} for row in rows]}


@shares("place", asked_lake)
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
    place: AskedLake,
) -> None:
    """Which documents have the property that a phrase names (after `saelake label`).

    Example: `saelake retrieve imdb/minilm-l4 "a disappointed viewer" -k 5`
    """
    with place as found:
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
        document=lambda: {
            "phrase": phrase,
            "hits": documents.to_dicts(),
            **(stands_for(documents) if chosen else {}),
        },
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
    with place as found:
        documents = selected(found, pool).select(
            selected(found, target), None if every else k, pooling=pooling, idf=idf
        )
    answer(
        format,
        documents.to_arrow(),
        document=lambda: {"hits": documents.to_dicts()},
        show=lambda: out.print(analyses.found(documents)),
    )


@shares("place", asked_lake)
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
    cluster_by: Annotated[
        str | None,
        typer.Option(help="Documents of one value in this column, as an author, are one unit."),
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare documents alike in this: length (tokens), or a column. May be repeated."
        ),
    ] = None,
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
    place: AskedLake,
) -> None:
    """Which features fire more in one selection than in others, and how sure that is.

    Examples: `saelake diff "imdb/l4 where label = 'pos'" "imdb/l4 where label = 'neg'"`,
    `saelake diff "chat/l4 where model = 'a'" "chat/l4 where model = 'b'" --align prompt_id`,
    `saelake diff "news/l4 where year < 2000" "news/l4 where year >= 2000" --control length`
    """
    with place as found:
        first, *rest = (selected(found, text) for text in (a, *others))
        rows = first.diff(
            *rest,
            k=None if every else k,
            unit=unit,
            threshold=threshold,
            min_coverage=min_coverage,
            max_coverage=max_coverage,
            order=order,
            align=align,
            cluster_by=cluster_by,
            control=control or (),
            level=level,
            confirm=confirm,
            confirm_share=confirm_share,
            examples=examples,
        )
    answer(
        format,
        rows.to_arrow(),
        document=lambda: {**rows.about, "rows": rows.to_dicts()},
        show=lambda: out.print(analyses.diff(rows, (a, *others), out)),
    )


@shares("place", asked_lake)
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
    cluster_by: Annotated[
        str | None,
        typer.Option(help="Documents of one value in this column, as an author, are one unit."),
    ] = None,
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
    place: AskedLake,
) -> None:
    """Which features go with a metadata column: classes, numbers, or coordinates.

    Examples: `saelake associate imdb/minilm-l4 rating --control length`,
    `saelake associate news/minilm-l4 label --where "label in ('sport', 'tech')"`
    """
    with place as found:
        rows = found[collection].associate(
            *columns,
            k=None if every else k,
            where=where,
            pooling=pooling,
            min_documents=min_documents,
            control=split_names(control),
            cluster_by=cluster_by,
            level=level,
            confirm=confirm,
            confirm_share=confirm_share,
        )
    answer(
        format,
        rows.to_arrow(),
        document=lambda: {**rows.about, "rows": rows.to_dicts()},
        show=lambda: out.print(analyses.associations(rows)),
    )


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
    with place as found:
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
        document=lambda: {**pairs.about, "pairs": pairs.to_dicts()},
        show=lambda: out.print(analyses.correlations(pairs)),
    )


@shares("place", asked_lake)
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
    place: AskedLake,
) -> None:
    """Groups of documents that are alike, in all features or in some.

    Examples: `saelake cluster news/minilm-l4 -n 5`,
    `saelake cluster imdb/minilm-l4 -n 2 --about "praise and criticism"`
    """
    with place as found:
        groups = found[collection].cluster(
            n_clusters,
            features=split_numbers(features) or (),
            about=about,
            where=where,
            method=method,
            seed=seed,
            min_score=min_score,
        )
    answer(
        format,
        groups.to_arrow(),
        document=lambda: {
            "n": groups.n,
            "n_left_out": groups.n_left_out,
            "clusters": groups.to_dicts(),
            **(stands_for(groups) if chosen else {}),
        },
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
    with place as found:
        first = found[a] if where is None else found[a].where(where)
        pairs = first.match(found[b], features=split_numbers(features) or (), by=by, k=k)
    answer(
        format,
        pairs.to_arrow(),
        document=lambda: {"matches": pairs.to_dicts()},
        show=lambda: out.print(analyses.matches(pairs)),
    )


@shares("place", asked_lake)
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
    place: AskedLake,
) -> None:
    """Groups of features that fire in the same documents.

    Example: `saelake families imdb/minilm-l4 --min-npmi 0.7`
    """
    with place as found:
        groups = selected(found, selection).families(
            min_npmi=min_npmi,
            min_documents=min_documents,
            max_coverage=max_coverage,
            k=None if every else k,
            control=split_names(control),
        )
    answer(
        format,
        groups.to_arrow(),
        document=lambda: {**groups.about, "families": groups.to_dicts()},
        show=lambda: out.print(analyses.families(groups)),
    )
