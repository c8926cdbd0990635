"""SAE embeddings next to words and dense embeddings, on corpora with known answers.

Prints a table for each use, with 95 % intervals, and keeps them in `results/`.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

import saelake
from benchmarks.common.places import DATA
from benchmarks.common.report import Cell, Table, publish
from benchmarks.quality.corpora import JUDGED, LABELLED
from benchmarks.quality.measures import (
    RETRIEVAL,
    VECTORS,
    Measured,
    by_classifier,
    by_clusters,
    by_phrases,
    by_queries,
)
from benchmarks.quality.subject import Making, Subject, made


def main(
    model: Annotated[Path, typer.Option(help="The sentence model's folder.")],
    corpora: Annotated[Path, typer.Option(help="The folder of their Parquet files.")] = DATA
    / "corpora",
    dictionary: Annotated[Path, typer.Option(help="A dictionary of that model.")] = DATA
    / "dictionaries"
    / "minilm-l4-4096",
    lake: Annotated[
        Path | None, typer.Option(help="Where the lake is, or is made (a temporary folder).")
    ] = None,
    documents: Annotated[int, typer.Option(help="At most so many of each corpus.")] = 3000,
    max_tokens: Annotated[int, typer.Option(help="At most so many tokens of each.")] = 256,
) -> None:
    """Measure retrieval, clusters and classifiers on labelled corpora."""
    how = Making(
        corpora=corpora,
        model=str(model),
        dictionary=str(dictionary),
        n_documents=documents,
        max_tokens=max_tokens,
    )
    with tempfile.TemporaryDirectory(prefix="saelake-quality-") as folder:
        place = lake or Path(folder) / "lake"
        place.parent.mkdir(parents=True, exist_ok=True)
        with saelake.connect(place) as opened:
            subjects = made(opened, LABELLED, how)
            (judged,) = made(opened, [JUDGED], how)
            tables = [*_tables(subjects), queries_table(judged, corpora)]
    publish("quality", tables, facts={"documents": documents, "tokens of each": max_tokens})


def _tables(subjects: Sequence[Subject]) -> list[Table]:
    phrases = {subject.corpus.name: by_phrases(subject) for subject in subjects}
    means = {name: mean for name, (mean, _) in phrases.items()}
    each: list[dict[str, Cell]] = [
        {"corpus": name, "phrase": phrase, "share": share, **_values(measured)}
        for name, (_, rows) in phrases.items()
        for phrase, share, measured in rows
    ]
    clusters = {s.corpus.name: by_clusters(s) for s in subjects}
    classified = {s.corpus.name: by_classifier(s) for s in subjects}
    return [
        _measured("Retrieval by a phrase, mean average precision", means, RETRIEVAL),
        _against("Retrieval by a phrase against dense embeddings", means, ("SAE", "hybrid")),
        Table(title="Average precision of each phrase", rows=each),
        _measured("Clusters against labels, normalised mutual information", clusters, VECTORS),
        _against("Clusters against those of dense embeddings", clusters, ("TF-IDF", "SAE")),
        _measured("Linear classifier, accuracy", classified, VECTORS),
        _against("Linear classifier against dense embeddings", classified, ("TF-IDF", "SAE")),
    ]


def queries_table(judged: Subject, corpora: Path) -> Table:
    """nDCG@10 of queries with judged documents."""
    found = {judged.corpus.name: by_queries(judged, corpora)}
    return _measured("Queries, nDCG@10", found, RETRIEVAL)


def _values(measured: Measured) -> dict[str, Cell]:
    return {name: estimate.value for name, estimate in measured.items()}


def _measured(title: str, found: Mapping[str, Measured], names: Sequence[str]) -> Table:
    """A row a corpus: values with intervals."""
    rows = [
        {"corpus": corpus} | {name: str(measured[name]) for name in names}
        for corpus, measured in found.items()
    ]
    return Table(title=title, rows=rows)


def _against(title: str, found: Mapping[str, Measured], names: Sequence[str]) -> Table:
    """A row a corpus and a method: by how much it is better than dense embeddings, and whether."""
    differences = {
        (corpus, name): measured[name] - measured["dense"]
        for corpus, measured in found.items()
        for name in names
    }
    rows: list[dict[str, Cell]] = [
        {"corpus": corpus, "method": name, "difference": str(found), "it is": found.verdict}
        for (corpus, name), found in differences.items()
    ]
    return Table(title=title, rows=rows)
