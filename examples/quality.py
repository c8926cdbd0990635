"""How good are SAE embeddings, next to dense ones, on corpora with known answers?

    python examples/quality.py LAKE CORPORA --dictionary minilm-l4 --model MODEL

LAKE has the corpora imdb, bbc_news, ag_news_test and cranfield encoded by one dictionary of a
sentence model, each after `saelake label CORPUS/DICTIONARY --model MODEL`; CORPORA is the folder
of their Parquet files. Prints Markdown tables; docs/examples/quality.md keeps what they said.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    adjusted_rand_score,
    average_precision_score,
    normalized_mutual_info_score,
)
from sklearn.model_selection import StratifiedKFold, cross_val_score

import saelake
from saelake.store.index.vectors import Vectors
from saelake.store.lake.lake import Lake

PHRASES = {
    "imdb": [("a negative review", "neg"), ("a positive review", "pos"),
             ("the reviewer hated the film", "neg"), ("the reviewer loved the film", "pos")],
    "bbc_news": [(f"an article about {topic}", label) for topic, label in (
        ("sports", "sport"), ("business", "business"), ("politics", "politics"),
        ("technology", "tech"), ("entertainment", "entertainment"))],
    "ag_news_test": [(f"an article about {topic}", label) for topic, label in (
        ("sports", "Sports"), ("business", "Business"), ("science and technology", "Sci/Tech"),
        ("world affairs", "World"))],
}  # fmt: skip
ABOUT = ("praise and criticism", "positive or negative opinion", "a negative review")
SEEDS = range(5)
Read = Callable[[str], pa.Table]


def embeddings(collection: saelake.Collection) -> sparse.csr_matrix:
    """Max-pooled SAE embeddings, one row a document, in the order of documents."""
    table = collection.embeddings().read_all().combine_chunks()
    lists = table["features"].combine_chunks(), table["max"].combine_chunks()
    offsets = np.asarray(lists[0].offsets)
    shape = (table.num_rows, collection.info().d_sae)
    return sparse.csr_matrix(
        (np.asarray(lists[1].flatten()), np.asarray(lists[0].flatten()), offsets), shape
    )


def dense(uri: str, corpus: str) -> np.ndarray:
    """The dense embeddings that `saelake embed` made."""
    vectors = Vectors.open(Lake(uri).vectors(corpus))
    assert vectors is not None, f"embed {corpus} first"
    return vectors.index.vectors


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(f"\n### {title}\n")
    shown = [[f"{c:.3f}" if isinstance(c, float) else str(c) for c in row] for row in rows]
    for cells in ([*header], ["---"] * len(header), *shown):
        print(f"| {' | '.join(cells)} |", flush=True)


def classify(x: object, labels: np.ndarray) -> float:
    """Accuracy of logistic regression, mean over 5 folds."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    model = LogisticRegression(C=10, max_iter=2000)
    return float(cross_val_score(model, x, labels, cv=folds).mean())


def agreement(labels: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Normalised mutual information and adjusted Rand index."""
    return float(normalized_mutual_info_score(labels, found)), float(
        adjusted_rand_score(labels, found)
    )


def by_features(
    collection: saelake.Collection, labels: np.ndarray, k: int, about: str | None = None
) -> list[float]:
    """How well the default clusters agree with labels: medians over the seeds."""
    scores = []
    for seed in SEEDS:
        found = np.full(len(labels), -1)
        for cluster in collection.cluster(k, seed=seed, about=about):
            found[list(cluster.docs)] = cluster.cluster
        scores.append(agreement(labels, found))
    return medians(scores)


def by_vectors(x: np.ndarray, labels: np.ndarray, k: int) -> list[float]:
    """The same of k-means on dense embeddings."""
    models = (KMeans(k, n_init=10, random_state=seed) for seed in SEEDS)
    return medians([agreement(labels, m.fit_predict(x)) for m in models])


def medians(scores: Sequence[tuple[float, float]]) -> list[float]:
    """The median of each score."""
    return [float(np.median(each)) for each in zip(*scores, strict=True)]


def precision(hits: saelake.FoundDocuments, labels: np.ndarray, label: str) -> float:
    """Average precision of a ranking; documents that are not in it come last."""
    score = np.zeros(len(labels))
    score[[hit.doc for hit in hits]] = np.arange(len(hits), 0, -1)
    return float(average_precision_score(labels == label, score))


def gain(ids: Sequence[str], grades: dict[str, int]) -> float:
    """nDCG@10 with linear gains, the ideal being that of all judged documents."""
    discount = 1 / np.log2(np.arange(2, 12))
    got = np.array([grades.get(i, 0) for i in ids[:10]])
    best = np.array(sorted(grades.values(), reverse=True)[:10])
    ideal = float(best @ discount[: len(best)])
    return float(got @ discount[: len(got)]) / max(ideal, 1e-12)


def classifiers(lake: saelake.Lake, uri: str, name: str, read: Read) -> None:
    """Logistic regression on both kinds of embeddings."""
    rows = []
    for corpus in ("bbc_news", "imdb"):
        labels = np.array(read(corpus)["label"])
        x = TfidfTransformer().fit_transform(embeddings(lake[f"{corpus}/{name}"]))
        rows.append((corpus, classify(x, labels), classify(dense(uri, corpus) * 10, labels)))
    table("Linear classifier, accuracy", ("corpus", "SAE", "dense"), rows)


def topics(lake: saelake.Lake, uri: str, name: str, read: Read) -> None:
    """Default clusters against k-means on dense embeddings."""
    rows = []
    for corpus in ("bbc_news", "ag_news_test"):
        labels = np.array(read(corpus)["label"])
        k = len(set(labels))
        mine = by_features(lake[f"{corpus}/{name}"], labels, k)
        rows.append((corpus, *mine, *by_vectors(dense(uri, corpus), labels, k)))
    header = ("corpus", "SAE NMI", "SAE ARI", "dense NMI", "dense ARI")
    table("Clusters against topics (medians of 5 seeds)", header, rows)


def controlled(lake: saelake.Lake, uri: str, name: str, read: Read) -> None:
    """Two clusters of reviews in the features about a phrase, against sentiment."""
    labels = np.array(read("imdb")["label"])
    collection = lake[f"imdb/{name}"]
    rows = [("dense k-means", *by_vectors(dense(uri, "imdb"), labels, 2))]
    rows.append(("all features", *by_features(collection, labels, 2)))
    rows += [(about, *by_features(collection, labels, 2, about=about)) for about in ABOUT]
    table("Two clusters of IMDB against sentiment", ("compared in", "NMI", "ARI"), rows)


def properties(lake: saelake.Lake, name: str, read: Read) -> None:
    """Average precision of documents that have a named property."""
    rows: list[tuple[object, ...]] = []
    for corpus, phrases in PHRASES.items():
        labels = np.array(read(corpus)["label"])
        scores = []
        for phrase, label in phrases:
            found = [
                precision(lake[f"{corpus}/{name}"].retrieve(phrase, None, method=m), labels, label)
                for m in ("dense", "sae", "hybrid")
            ]
            scores.append((float((labels == label).mean()), *found))
            rows.append((corpus, phrase, *scores[-1]))
        mean = np.mean(scores, axis=0).tolist()
        rows.append((corpus, "**mean**", *mean))
    header = ("corpus", "phrase", "share", "dense", "SAE", "hybrid")
    table("Property retrieval, average precision", header, rows)


def judged(lake: saelake.Lake, name: str, read: Read) -> None:
    """nDCG@10 on Cranfield."""
    grades: dict[str, dict[str, int]] = {}
    for row in read("cranfield_qrels").to_pylist():
        grades.setdefault(str(row["query_id"]), {})[str(row["doc_id"])] = row["grade"]
    queries = read("cranfield_queries").to_pylist()
    rows = []
    for method in ("sae", "dense", "hybrid"):
        found = [
            gain(
                [hit.id for hit in lake[f"cranfield/{name}"].similar(q["text"], method=method)],
                grades.get(str(q["doc_id"]), {}),
            )
            for q in queries
        ]
        rows.append((method, float(np.mean(found))))
    table("Cranfield, nDCG@10 over 225 queries", ("method", "nDCG@10"), rows)


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lake")
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--dictionary", default="minilm-l4")
    said = parser.parse_args()

    def read(corpus: str) -> pa.Table:
        file = {"imdb": "imdb_6k"}.get(corpus, corpus)
        return pq.read_table(said.corpora / f"{file}.parquet")

    with saelake.connect(said.lake) as lake:
        judged(lake, said.dictionary, read)
        topics(lake, said.lake, said.dictionary, read)
        classifiers(lake, said.lake, said.dictionary, read)
        properties(lake, said.dictionary, read)
        controlled(lake, said.lake, said.dictionary, read)


if __name__ == "__main__":
    main()
