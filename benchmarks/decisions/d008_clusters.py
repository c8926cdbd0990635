"""Ways to cluster documents in SAE space, against labels that are known: docs/decisions/008."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
import typer
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd

import saelake
from benchmarks.common.report import Cell, Table, publish
from saelake.store.documents.documents import Documents
from saelake.store.format.lists import Array
from saelake.store.lake.lake import Lake

N_VECTORS = 50
Method = Callable[[Any, int, int], Array]


def main(
    lake: Annotated[str, typer.Argument(help="The lake.")],
    collections: Annotated[list[str], typer.Argument(help="corpus/dictionary, each with labels.")],
    column: Annotated[str, typer.Option(help="The metadata column with the labels.")] = "label",
    seeds: Annotated[int, typer.Option(help="How many seeds.")] = 5,
) -> None:
    """Measure the normalised mutual information of each method's clusters with the labels."""
    found = {
        name: _measured(lake, saelake.connect(lake)[name], column, seeds) for name in collections
    }
    rows: list[Mapping[str, Cell]] = [
        {"method": method, **{name: found[name][method] for name in collections}}
        for method in found[collections[0]]
    ]
    note = f"normalised mutual information, median (least to largest) of {seeds} seeds"
    publish("clusterings", [Table(title="Clusters against labels", rows=rows, note=note)], facts={})


def _measured(lake: str, collection: saelake.Collection, column: str, seeds: int) -> dict[str, str]:
    x, labels = _read(lake, collection, column)
    k = len(set(labels.tolist()))
    found = {}
    for name, method in METHODS.items():
        scores = [normalized_mutual_info_score(labels, method(x, k, s)) for s in range(seeds)]
        found[name] = f"{np.median(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})"
    scores = [_own(collection, k, labels, seed) for seed in range(seeds)]
    found["saelake cluster"] = f"{np.median(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})"
    return found


def _read(lake: str, collection: saelake.Collection, column: str) -> tuple[Any, Array]:
    table = collection.embeddings().read_all().combine_chunks()
    features, values = (table[name].combine_chunks() for name in ("features", "max"))
    shape = (table.num_rows, collection.info().d_sae)
    arrays = np.asarray(values.flatten()), np.asarray(features.flatten())
    x = sparse.csr_matrix((*arrays, np.asarray(features.offsets)), shape)
    return x, labels_of(lake, collection, column)[table["doc"].to_numpy()]


def labels_of(lake: str, collection: saelake.Collection, column: str) -> Array:
    """A metadata column by document number."""
    corpus = collection.name.partition("/")[0]
    table = Documents.open(Lake(lake), corpus).table
    values = [v for batch in table.scan([column]) for v in batch[column].to_pylist()]
    return np.array(values)


def _own(collection: saelake.Collection, k: int, labels: Array, seed: int) -> float:
    found = np.full(len(labels), -1)
    for cluster in collection.cluster(k, seed=seed):
        found[list(cluster.docs)] = cluster.cluster
    return float(normalized_mutual_info_score(labels, found))


def _idf(x: Any) -> Any:
    df = np.bincount(x.indices, minlength=x.shape[1])
    return (x @ sparse.diags(np.log((x.shape[0] + 1) / (df + 1)))).tocsr()


def _logarithms(x: Any) -> Any:
    return sparse.csr_matrix((np.log1p(x.data), x.indices, x.indptr), x.shape)


def _kmeans(points: Any, k: int, seed: int) -> Array:
    found: Array = KMeans(k, n_init=10, random_state=seed).fit_predict(points)
    return found


def _svd(weighted: Any, k: int, seed: int, *, first: int = 0, unit: bool = True) -> Array:
    rows = normalize(weighted)
    _, _, vectors = randomized_svd(rows, N_VECTORS, n_iter=4, random_state=seed)
    points = rows @ vectors[first:].T
    return _kmeans(normalize(points) if unit else points, k, seed)


METHODS: Mapping[str, Method] = {
    "max, k-means": lambda x, k, seed: _kmeans(normalize(x), k, seed),
    "max, 50 vectors": _svd,
    "max x idf, 50 vectors": lambda x, k, seed: _svd(_idf(x), k, seed),
    "max x idf, vectors 2 to 50": lambda x, k, seed: _svd(_idf(x), k, seed, first=1),
    "the same, not normalised again": lambda x, k, s: _svd(_idf(x), k, s, first=1, unit=False),
    "log(1 + max) x idf, vectors 2 to 50": lambda x, k, seed: _svd(
        _idf(_logarithms(x)), k, seed, first=1
    ),
}
