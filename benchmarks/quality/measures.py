"""What is measured of each corpus: retrieval by a phrase, clusters, classifiers, and queries."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, mutual_info_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import normalize

from benchmarks.quality.intervals import Estimate, estimate, mean_of, mean_over
from benchmarks.quality.subject import Array, Subject
from saelake.store.requests.checks import Method

METHODS: Mapping[str, Method] = {"dense": "dense", "SAE": "sae", "hybrid": "hybrid"}
RETRIEVAL = ("TF-IDF", "BM25", *METHODS)
VECTORS = ("TF-IDF", "dense", "SAE")
N_SEEDS = 5
TOPICS = 100  # dimensions of TF-IDF for k-means (latent semantic analysis)
Measured = Mapping[str, Estimate]


def by_phrases(subject: Subject) -> tuple[Measured, list[tuple[str, float, Measured]]]:
    """Average precision of the documents that a phrase names: the mean, and each phrase's.

    Resampled are the documents. Each phrase comes with the share of documents that it names.
    """
    rows: list[tuple[str, float, Measured]] = []
    for phrase, label in (subject.corpus.phrases or {}).items():
        wanted = subject.labels == label
        scores = {
            "TF-IDF": subject.words.by_tfidf(phrase),
            "BM25": subject.words.by_bm25(phrase),
            **{
                method: subject.scores(subject.collection.retrieve(phrase, None, method=by))
                for method, by in METHODS.items()
            },
        }
        measured = {name: precision(wanted, score) for name, score in scores.items()}
        rows.append((phrase, float(wanted.mean()), measured))
    means = {name: mean_of([measured[name] for *_, measured in rows]) for name in RETRIEVAL}
    return means, rows


def precision(wanted: Array, score: Array) -> Estimate:
    """Average precision of a ranking by score."""
    return estimate(
        lambda weight: float(average_precision_score(wanted, score, sample_weight=weight)),
        len(wanted),
    )


def by_queries(subject: Subject, corpora: Path) -> Measured:
    """nDCG@10 of judged queries, which are what is resampled."""
    grades: dict[str, dict[str, int]] = {}
    for row in pq.read_table(corpora / "cranfield_qrels.parquet").to_pylist():
        grades.setdefault(str(row["query_id"]), {})[str(row["doc_id"])] = row["grade"]
    queries = pq.read_table(corpora / "cranfield_queries.parquet").to_pylist()
    ids = [str(i) for i in pq.read_table(subject.file)["doc_id"].to_pylist()]

    def best(score: Array) -> list[str]:
        return [ids[i] for i in np.argsort(-score, kind="stable")[:10]]

    gains: dict[str, list[float]] = {name: [] for name in RETRIEVAL}
    for query in queries:
        graded, text = grades.get(str(query["doc_id"]), {}), query["text"]
        gains["TF-IDF"].append(gain(best(subject.words.by_tfidf(text)), graded))
        gains["BM25"].append(gain(best(subject.words.by_bm25(text)), graded))
        for name, method in METHODS.items():
            found = subject.collection.similar(text, k=10, method=method)
            gains[name].append(gain([hit.id for hit in found], graded))
    return {name: mean_over(np.array(each)) for name, each in gains.items()}


def gain(ids: Sequence[str], grades: Mapping[str, int]) -> float:
    """nDCG@10 with linear gains, the ideal being that of all judged documents."""
    discount = 1 / np.log2(np.arange(2, 12))
    got = np.array([grades.get(i, 0) for i in ids[:10]])
    ideal = np.array(sorted(grades.values(), reverse=True)[:10])
    return float(got @ discount[: len(got)]) / max(float(ideal @ discount[: len(ideal)]), 1e-12)


def by_classifier(subject: Subject) -> Measured:
    """Accuracy of logistic regression, each document judged by a model that did not see it."""
    vectors = {
        "TF-IDF": subject.words.tfidf,
        "dense": subject.dense * 10,
        "SAE": TfidfTransformer().fit_transform(subject.features),
    }
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    right = {}
    for name, x in vectors.items():
        model = LogisticRegression(C=10, max_iter=2000)
        right[name] = cross_val_predict(model, x, subject.labels, cv=folds) == subject.labels
    return {name: mean_over(each.astype(np.float64)) for name, each in right.items()}


def by_clusters(subject: Subject) -> Measured:
    """Normalised mutual information of clusters and labels: means over seeds.

    As many clusters as labels: saelake's default for the SAE, k-means for the others. Resampled
    are the documents; the clusters stay.
    """
    k = len(set(subject.labels))
    topics = TruncatedSVD(TOPICS, random_state=0).fit_transform(subject.words.tfidf)
    points = {"TF-IDF": normalize(topics), "dense": subject.dense}
    found: dict[str, list[Array]] = {name: [] for name in VECTORS}
    for seed in range(N_SEEDS):
        for name, x in points.items():
            found[name].append(KMeans(k, n_init=10, random_state=seed).fit_predict(x))
        clusters = np.full(len(subject.labels), -1)
        for cluster in subject.collection.cluster(k, seed=seed):
            clusters[list(cluster.docs)] = cluster.cluster
        found["SAE"].append(clusters)
    return {
        name: mean_of([agreement(subject.labels, each) for each in clusterings])
        for name, clusterings in found.items()
    }


def agreement(labels: Array, clusters: Array) -> Estimate:
    """Normalised mutual information: over the mean of both entropies."""
    label = np.unique(labels, return_inverse=True)[1]
    cluster = np.unique(clusters, return_inverse=True)[1]
    shape = (label.max() + 1, cluster.max() + 1)

    def measure(weight: npt.NDArray[np.float64]) -> float:
        table = np.bincount(label * shape[1] + cluster, weight, shape[0] * shape[1]).reshape(shape)
        entropies = (_entropy(table.sum(axis=axis)) for axis in (0, 1))
        mean = sum(entropies) / 2
        return float(mutual_info_score(None, None, contingency=table)) / mean if mean else 1.0

    return estimate(measure, len(labels))


def _entropy(counts: npt.NDArray[np.float64]) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())
