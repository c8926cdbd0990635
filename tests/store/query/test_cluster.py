"""Clusters, against scikit-learn and NumPy on dense matrices of the same codes."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.cluster import KMeans, SpectralClustering

from saelake.store.engine import Engine
from saelake.store.errors import InvalidFilter, InvalidInput, NotFound
from saelake.store.query import cluster
from saelake.store.query.parts import points as module
from saelake.store.requests.cluster import ClusterQuery
from tests.lakes import MadeLake, make_lake
from tests.stateless import stateless

COLLECTION = "made/random"
N_DOCUMENTS, N_FEATURES = 80, 30
SOME = tuple(range(8))

Floats = npt.NDArray[np.float64]


class Asked:
    """A lake, and the engine that answers about it."""

    def __init__(self, made: MadeLake) -> None:
        self.made = made
        self.engine = Engine(made.lake.uri)
        self.dense = made.embeddings().astype(np.float64)

    def clusters(self, **asked: Any) -> tuple[list[dict[str, Any]], dict[str, int]]:
        """The clusters, and what the answer says of all."""
        table = stateless(self.engine.ask(ClusterQuery(collection=COLLECTION, **asked)).read_all())
        said = {name.decode(): int(value) for name, value in table.schema.metadata.items()}
        return table.to_pylist(), said

    def kept(self, features: tuple[int, ...] = (), label: str | None = None) -> list[int]:
        """The documents of a label that have some of these features."""
        columns = list(features) or list(range(N_FEATURES))
        return [
            doc
            for doc, row in enumerate(self.dense)
            if (label is None or self.made.labels[doc] == label)
            and np.nan_to_num(row)[columns].any()
        ]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("clusters") / "lake"
    made = make_lake(
        folder,
        seed=1,
        n_documents=N_DOCUMENTS,
        n_features=N_FEATURES,
        density=0.06,
        failed={(11, 0)},
    )
    return Asked(made)


# --- brute force ---


def points(asked: Asked, docs: list[int], features: tuple[int, ...], label: str | None) -> Floats:
    """The documents as points."""
    return standardised(asked, docs, features) if features else singular(asked, docs, label)


def singular(asked: Asked, docs: list[int], label: str | None) -> Floats:
    """Idf, length 1, singular vectors from the second on, length 1."""
    in_selection = [
        doc
        for doc, row in enumerate(asked.dense)
        if not np.isnan(row).any() and label in (None, asked.made.labels[doc])
    ]
    df = (asked.dense[in_selection] > 0).sum(axis=0)
    x = asked.dense[docs] * np.log((len(in_selection) + 1) / (df + 1))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    n_vectors = min(50, len(docs) - 1, N_FEATURES - 1)
    projected = x @ np.linalg.svd(x, full_matrices=False)[2][1:n_vectors].T
    unit: Floats = projected / np.linalg.norm(projected, axis=1, keepdims=True)
    return unit


def standardised(asked: Asked, docs: list[int], features: tuple[int, ...]) -> Floats:
    """Each feature of mean 0 and deviation 1, then each document of mean 0."""
    x = asked.dense[docs][:, features]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    centred: Floats = x - x.mean(axis=1, keepdims=True)
    return centred


def partition(rows: list[dict[str, Any]]) -> set[frozenset[int]]:
    return {frozenset(row["docs"]) for row in rows}


def grouped(docs: list[int], labels: npt.NDArray[Any]) -> set[frozenset[int]]:
    return {
        frozenset(np.array(docs)[labels == label].tolist()) for label in np.unique(labels).tolist()
    }


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("n", [2, 5])
@pytest.mark.parametrize("features", [(), SOME], ids=["all features", "some features"])
@pytest.mark.parametrize("label", [None, "pos"])
def test_spectral_is_k_means_of_singular_vectors(
    asked: Asked, n: int, seed: int, features: tuple[int, ...], label: str | None
) -> None:
    docs = asked.kept(features, label)
    x = points(asked, docs, features, label)
    expected = KMeans(n, n_init=10, random_state=seed).fit_predict(x.astype(np.float32))
    where = None if label is None else f"label = '{label}'"
    rows, said = asked.clusters(n_clusters=n, seed=seed, features=features, where=where)
    assert partition(rows) == grouped(docs, expected)
    assert said["n"] == len(docs)
    at = {doc: i for i, doc in enumerate(docs)}
    for row in rows:
        members = x[[at[doc] for doc in row["docs"]]]
        np.testing.assert_allclose(row["centrality"], members @ members.mean(axis=0), atol=1e-3)


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("features", [(), SOME], ids=["all features", "some features"])
def test_jaccard_is_spectral_clustering_of_similarities(
    asked: Asked, n: int, features: tuple[int, ...]
) -> None:
    docs = asked.kept(features)
    fires = asked.dense[docs] > 0
    if features:
        fires[:, ~np.isin(np.arange(N_FEATURES), features)] = False
    affinity = np.array([[(a & b).sum() / (a | b).sum() for b in fires] for a in fires])
    model = SpectralClustering(n, affinity="precomputed", random_state=3)
    expected = model.fit_predict(affinity)
    rows, said = asked.clusters(n_clusters=n, features=features, method="jaccard", seed=3)
    assert partition(rows) == grouped(docs, expected)
    assert said["n"] == len(docs)
    at = {doc: i for i, doc in enumerate(docs)}
    for row in rows:
        inside = [at[doc] for doc in row["docs"]]
        means = affinity[np.ix_(inside, inside)].mean(axis=1)
        np.testing.assert_allclose(row["centrality"], means, rtol=1e-5)


@pytest.mark.parametrize("method", ["spectral", "jaccard"])
@pytest.mark.parametrize("features", [(), SOME], ids=["all features", "some features"])
def test_a_cluster_says_what_is_distinctive_of_it(
    asked: Asked, method: str, features: tuple[int, ...]
) -> None:
    rows, _ = asked.clusters(n_clusters=3, method=method, features=features)
    fires = asked.dense > 0
    everyone = [doc for row in rows for doc in row["docs"]]
    columns = features or tuple(range(N_FEATURES))
    for number, row in enumerate(rows):
        assert row["cluster"] == number
        assert row["n_documents"] == len(row["docs"]) == len(row["centrality"])
        assert row["docs"] == sorted(row["docs"])
        inside = fires[row["docs"]].mean(axis=0)
        outside = fires[[doc for doc in everyone if doc not in row["docs"]]].mean(axis=0)
        best = sorted(columns, key=lambda f: (outside[f] - inside[f], f))[:5]
        assert [f["feature"] for f in row["features"]] == [
            f for f in best if inside[f] > outside[f]
        ]
        for feature in row["features"]:
            number = feature["feature"]
            assert feature["frequency_in"] == pytest.approx(inside[number])
            assert feature["frequency_out"] == pytest.approx(outside[number])
            assert feature["label"] is None
    sizes = [row["n_documents"] for row in rows]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("method", ["spectral", "jaccard"])
def test_central_documents_are_the_most_central(asked: Asked, method: str) -> None:
    rows, _ = asked.clusters(n_clusters=3, method=method)
    for row in rows:
        by_centrality = sorted(
            zip(row["docs"], row["centrality"], strict=True), key=lambda pair: (-pair[1], pair[0])
        )
        assert [(c["doc"], c["centrality"]) for c in row["central"]] == by_centrality[:3]
        for document in row["central"]:
            assert document["id"] == f"d{document['doc']}"
            assert document["text"] == asked.made.texts[document["doc"]]


@pytest.mark.parametrize("method", ["spectral", "jaccard"])
def test_documents_without_the_features_are_in_no_cluster(asked: Asked, method: str) -> None:
    rows, said = asked.clusters(n_clusters=2, features=SOME, method=method)
    expected = asked.kept(SOME)
    assert sorted(doc for row in rows for doc in row["docs"]) == expected
    assert said == {"n": len(expected), "n_left_out": N_DOCUMENTS - 1 - len(expected)}
    assert said["n_left_out"] > 0


@pytest.mark.parametrize("method", ["spectral", "jaccard"])
def test_equal_seeds_make_equal_clusters(asked: Asked, method: str) -> None:
    first = asked.clusters(n_clusters=4, method=method, seed=1)
    assert Asked(asked.made).clusters(n_clusters=4, method=method, seed=1) == first


def test_clusters_are_fitted_on_a_sample(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every document is assigned, also those that are not in the sample."""
    whole, said = asked.clusters(n_clusters=3)
    for limits in ({"SAMPLE_DOCUMENTS": 40}, {"SAMPLE_VALUES": 60}):
        with monkeypatch.context() as patched:
            for name, value in limits.items():
                patched.setattr(module, name, value)
            rows, said_of_all = asked.clusters(n_clusters=3)
            again, _ = asked.clusters(n_clusters=3)
        assert rows == again
        assert said_of_all == said
        assert sorted(doc for row in rows for doc in row["docs"]) == asked.kept()
        assert partition(rows) != partition(whole), "another sample, another fit"


def test_rare_features_are_sampled_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample of all documents would have too few with these features to make clusters of."""
    folder = tmp_path / "lake"
    made = make_lake(folder, n_documents=150, tokens=(1, 3), n_features=N_FEATURES, density=0.02)
    rare = Asked(made)
    monkeypatch.setattr(module, "SAMPLE_DOCUMENTS", 8)
    rows, said = rare.clusters(n_clusters=6, features=(0, 1, 2, 3))
    assert said["n"] == len(rare.kept((0, 1, 2, 3))) == sum(row["n_documents"] for row in rows)
    assert 8 < said["n"] < 40


def test_documents_alike_are_one_cluster(tmp_path: Path) -> None:
    """In one feature all its documents are the same, so there is nothing to part them by."""
    made = make_lake(tmp_path / "lake", n_documents=30, n_features=N_FEATURES, seed=2)
    rows, said = Asked(made).clusters(n_clusters=2, features=(3,))
    assert [row["n_documents"] for row in rows] == [said["n"]]


def test_groups_that_share_nothing_are_parted(tmp_path: Path) -> None:
    made = make_lake(
        tmp_path / "lake",
        n_documents=60,
        n_features=N_FEATURES,
        density=0.04,
        seed=3,
        tokens=(1, 4),
    )
    apart = Asked(made)
    either = [d for d in range(60) if (apart.dense[d, [3, 4]] > 0).sum() == 1]
    where = f"doc in ({', '.join(map(str, either))})"
    expected = {frozenset(d for d in either if apart.dense[d, f] > 0) for f in (3, 4)}
    for method in ("spectral", "jaccard"):
        rows, _ = apart.clusters(n_clusters=2, features=(3, 4), where=where, method=method)
        assert partition(rows) == expected
        assert {row["features"][0]["feature"] for row in rows} == {3, 4}


@pytest.mark.parametrize("method", ["spectral", "jaccard"])
def test_poles_of_a_signed_dictionary_fire_by_themselves(tmp_path: Path, method: str) -> None:
    made = make_lake(
        tmp_path / "lake", n_documents=30, n_features=N_FEATURES // 2, density=0.1, signed=True
    )
    rows, _ = Asked(made).clusters(n_clusters=2, method=method)
    fires = made.embeddings("binary")
    rows = made.unsigned(rows)
    assert max(f["feature"] for row in rows for f in row["features"]) >= N_FEATURES // 2
    for row in rows:
        for feature in row["features"]:
            inside = fires[row["docs"], feature["feature"]].mean()
            assert feature["frequency_in"] == pytest.approx(inside)


@pytest.mark.parametrize("method", ["spectral", "jaccard"])
def test_every_document_can_be_its_own_cluster(tmp_path: Path, method: str) -> None:
    made = make_lake(
        tmp_path / "lake", n_documents=6, tokens=(4, 8), n_features=N_FEATURES, density=0.1
    )
    rows, _ = Asked(made).clusters(n_clusters=6, method=method)
    assert sum(row["n_documents"] for row in rows) == 6


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"n_clusters": 81}, InvalidInput, "cannot make 81 clusters"),
        ({"n_clusters": 3, "where": "length < 0"}, InvalidInput, "Only 0 documents"),
        ({"n_clusters": 3, "where": "id = 'd11'"}, InvalidInput, "Only 0 documents"),
        ({"features": (1, 30)}, NotFound, "no feature 30"),
        ({"features": (-1,)}, NotFound, "no feature -1"),
        ({"where": "colour = 1"}, InvalidFilter, "colour"),
        ({"about": "rain"}, NotFound, "saelake label"),
    ],
)
@pytest.mark.parametrize("method", ["spectral", "jaccard"])
def test_mistakes_are_named(
    asked: Asked, method: str, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        asked.clusters(method=method, **options)


def test_jaccard_compares_some_thousands(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "MOST_JACCARD", 50)
    with pytest.raises(InvalidInput, match="at most 50"):
        asked.clusters(n_clusters=3, method="jaccard")


def test_three_features_are_the_least(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=8, n_features=2, density=0.9)
    with pytest.raises(InvalidInput, match="three features"):
        Asked(made).clusters(n_clusters=2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_clusters": 1}, "at least 2"),
        ({"method": "dbscan"}, "method cannot be"),
        ({"n_labels": 0}, "n_labels must be"),
        ({"features": (1,), "about": "rain"}, "Give either"),
    ],
)
def test_wrong_questions_are_not_asked(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        ClusterQuery(collection=COLLECTION, **options)
