"""Groups of documents alike in SAE space.

`spectral`, in all features: values times ln((n + 1) / (df + 1)), rows of length 1, projected on the
singular vectors 2 to 50 of that matrix (the first is what all documents have in common), rows again
of length 1, k-means. The singular vectors are those of the cosine similarities of all pairs of
documents, which are never made: memory is that of a sample's rows, and every other document is
assigned as it is read (docs/decisions/008-clusters.md has what was measured).

In chosen features, each counts alike, and how many of them fire says least: values less their mean,
over their standard deviation, then each row less its own mean, k-means.

`jaccard`: spectral clustering of the Jaccard similarities of binary embeddings (arXiv 2512.10092,
section 5), for some thousands of documents.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse
from sklearn.cluster import KMeans, SpectralClustering

from saelake.store.codes.embeddings import Block
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array, concatenate
from saelake.store.query.parts.found import beginning
from saelake.store.query.parts.frequencies import frequencies
from saelake.store.query.parts.labelled import Chosen, labels_of, phrase_features
from saelake.store.query.parts.points import Kept, Projection, Used, ascending, singular
from saelake.store.requests.checks import Selection
from saelake.store.requests.cluster import DISTINCTIVE, ClusterQuery
from saelake.store.requests.waited.progress import entered
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

STARTS = 10  # of k-means; with one, some seeds end in a bad optimum
MOST_SEED = 2**32 - 1  # that scikit-learn takes
MOST_JACCARD = 5000  # documents: their similarities are a square of 200 MB
POINTS_AT_ONCE = 1 << 24  # numbers of documents' chosen features, as they are assigned
N_DISTINCTIVE, N_CENTRAL = 5, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """Documents, the cluster of each, how central each is in it, and which features fire.

    `doc` uint64, `cluster` int64 and `centrality` float32 (n,); `fires` int64 (n_clusters, d_sae).
    """

    doc: Array
    cluster: Array
    centrality: Array
    fires: Array

    @classmethod
    def of(
        cls, block: Block, cluster: Array, centrality: Array, shape: tuple[int, int]
    ) -> "Assigned":
        """The assignment of a block's documents."""
        cell = (cluster[block.rows] * shape[1] + block.features)[block.values > 0]
        fires = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
        return cls(doc=block.doc, cluster=cluster, centrality=centrality, fires=fires)

    @classmethod
    def joined(cls, parts: list["Assigned"]) -> "Assigned":
        """All documents of the parts, ascending."""
        doc = concatenate((p.doc for p in parts), np.uint64)
        order = np.argsort(doc)
        return cls(
            doc=doc[order],
            cluster=concatenate((p.cluster for p in parts), np.int64)[order],
            centrality=concatenate((p.centrality for p in parts), np.float32)[order],
            fires=np.sum([p.fires for p in parts], axis=0),
        )


def cluster(session: Session, query: ClusterQuery) -> pa.Table:
    """Clusters, largest first, each with its most distinctive features.

    Documents in which none of the chosen features fires are in no cluster; the schema's metadata
    says how many: n_left_out; and with `about` which features stand for the phrase: `chosen`, a
    JSON list. Equal for equal seeds. Raises `InvalidInput` for fewer documents than clusters, and
    for more than `jaccard` can compare.
    """
    if not 0 <= query.seed <= MOST_SEED:
        raise InvalidInput(f"The seed is from 0 to {MOST_SEED}, not {query.seed}.")
    selected = session.select(Selection(collection=query.collection, where=query.where))
    about = _about(session, selected, query)
    chosen = _features(selected, query, about)
    n, df = frequencies(session, selected)
    kept = Kept(chosen)
    used = Used.of(session.embeddings.map(selected, kept, stage="choosing documents"))
    if len(used.doc) < query.n_clusters:
        raise InvalidInput(
            f"Only {len(used.doc)} documents have any of these features: they cannot make "
            f"{query.n_clusters} clusters.",
            n_documents=len(used.doc),
        )
    with warnings.catch_warnings():
        # Of equal or few documents, and of groups that share no feature.
        warnings.simplefilter("ignore")
        if query.method == "jaccard":
            found = _jaccard(session, selected, kept, query)
        else:
            weights = np.log((n + 1) / (df + 1)).astype(np.float32)
            found = _spectral(session, selected, kept, used, weights, query)
    table = _rows(session, selected, found)
    said = {"n": str(len(used.doc)), "n_left_out": str(n - len(used.doc))}
    return table.replace_schema_metadata(said | ({} if about is None else about.said()))


# -- What is compared: the chosen features, and the documents in which some of them fire, of which
# a sample is fitted on where they are many.


def _about(session: Session, selected: Selected, query: ClusterQuery) -> Chosen | None:
    """The features that stand for the phrase, if there is one."""
    if query.about is None:
        return None
    phrase, k, collection = query.about, query.n_labels, selected.collection
    return phrase_features(session, collection, phrase, k, query.min_score)


def _features(selected: Selected, query: ClusterQuery, about: Chosen | None) -> Array:
    """Which features documents are compared in, bool (d_sae,)."""
    features: Array = np.array(query.features, np.int64)
    selected.collection.check_features(query.features)
    if about is not None:
        features = about.features
    chosen = np.zeros(selected.width, np.bool_)
    chosen[features] = True
    return chosen if len(features) else ~chosen


# -- Method "spectral": documents as points, made by what was fitted on the sample; centres by
# k-means of the sample; then every document to its nearest centre.


def _spectral(
    session: Session,
    selected: Selected,
    kept: Kept,
    used: Used,
    weights: Array,
    query: ClusterQuery,
) -> Assigned:
    fitted = used.sample(selected, query.n_clusters, query.seed)
    sample = ascending(list(session.embeddings.map(fitted, kept, stage="reading a sample")))
    entered("finding clusters")
    points = _points(sample, kept.chosen, weights, query.seed)
    centres = KMeans(query.n_clusters, n_init=STARTS, random_state=query.seed)
    centres.fit(points(sample))
    assign = _Assign(kept, points, centres.cluster_centers_.astype(np.float32))
    placed = session.embeddings.map(selected, assign, stage="placing documents")
    return Assigned.joined(list(placed))


def _points(
    sample: Block, chosen: Array, weights: Array, seed: int
) -> "Projection | _Standardised":
    """What makes points of documents, fitted on a sample."""
    if chosen.all():
        return singular(sample, weights, seed)
    return _Standardised.of(sample, np.flatnonzero(chosen))


@dataclass(frozen=True, slots=True)
class _Standardised:
    """Documents by which of some features they have more of than of the others."""

    features: Array
    mean: Array
    deviation: Array

    @classmethod
    def of(cls, sample: Block, features: Array) -> "_Standardised":
        """With the means and deviations of a sample."""
        values = _columns(sample, features)
        deviation = values.std(axis=0)
        return cls(features, values.mean(axis=0), np.where(deviation > 0, deviation, 1))

    def __call__(self, block: Block) -> Array:
        """Float32 (n_documents, n_features)."""
        values = (_columns(block, self.features) - self.mean) / self.deviation
        points: Array = values - values.mean(axis=1, keepdims=True)
        return points


def _columns(block: Block, features: Array) -> Array:
    """The values of these features, dense float32 (n_documents, n_features)."""
    shape = (len(block), int(features[-1]) + 1)
    matrix = sparse.csr_matrix((block.values, block.features, block.offsets), shape)
    values: Array = matrix[:, features].toarray()
    return values


@dataclass(frozen=True, slots=True)
class _Assign:
    """The nearest centre of each document; its centrality is the mean product with the members."""

    kept: Kept
    points: "Projection | _Standardised"
    centres: Array

    def __call__(self, block: Block) -> Assigned:
        block = self.kept(block)
        step = max(POINTS_AT_ONCE // int(self.kept.chosen.sum()), 1)
        parts = [
            block[rows] for rows in np.split(np.arange(len(block)), range(step, len(block), step))
        ]
        return Assigned.joined([self._assigned(part) for part in parts])

    def _assigned(self, block: Block) -> Assigned:
        products = self.points(block) @ self.centres.T
        cluster = np.argmax(products - (self.centres**2).sum(axis=1) / 2, axis=1)
        centrality = products[np.arange(len(block)), cluster]
        return Assigned.of(block, cluster, centrality, (len(self.centres), len(self.kept.chosen)))


# -- Method "jaccard": the overlap of every two documents, as a graph that is cut.


def _jaccard(session: Session, selected: Selected, kept: Kept, query: ClusterQuery) -> Assigned:
    block = ascending(list(session.embeddings.map(selected, kept, "binary")))
    if len(block) > MOST_JACCARD:
        raise InvalidInput(
            f"The method jaccard compares every two documents, which {len(block)} are too many "
            f"for: at most {MOST_JACCARD}. Take the method spectral, or narrow with where.",
            n_documents=len(block),
        )
    binary = sparse.csr_matrix(
        (block.values, block.features, block.offsets), (len(block), selected.width)
    )
    both = np.asarray((binary @ binary.T).todense())
    sizes = np.asarray(binary.sum(axis=1)).reshape(-1)
    entered("finding clusters")
    affinity = both / np.maximum(sizes[:, None] + sizes - both, 1)
    model = SpectralClustering(
        query.n_clusters, affinity="precomputed", assign_labels="kmeans", random_state=query.seed
    )
    cluster = model.fit_predict(affinity).astype(np.int64)
    members = cluster == np.arange(query.n_clusters)[:, None]
    sums = affinity @ members.T.astype(affinity.dtype)
    means = sums / np.maximum(members.sum(axis=1), 1)
    centrality = means[np.arange(len(block)), cluster].astype(np.float32)
    return Assigned.joined(
        [Assigned.of(block, cluster, centrality, (query.n_clusters, selected.width))]
    )


# -- The answer's rows: of each cluster its features and its documents.


def _rows(session: Session, selected: Selected, found: Assigned) -> pa.Table:
    sizes = np.bincount(found.cluster, minlength=len(found.fires))
    order = [number for number in np.argsort(-sizes, kind="stable") if sizes[number]]
    labels = labels_of(session, selected.collection)
    members = [np.flatnonzero(found.cluster == number) for number in order]
    columns = {
        "cluster": np.arange(len(order)),
        "n_documents": sizes[order],
        "features": [_distinctive(found.fires, sizes, number, labels.of) for number in order],
        "central": [_central(selected, found, rows) for rows in members],
        "docs": [found.doc[rows].tolist() for rows in members],
        "centrality": [found.centrality[rows].tolist() for rows in members],
    }
    return pa.Table.from_pydict(columns, schema=ClusterQuery.answer)


def _distinctive(
    fires: Array, sizes: Array, number: int, labels_of: Callable[[Array], list[str | None]]
) -> list[dict[str, object]]:
    """The features with the largest difference of frequency in the cluster and out of it."""
    inside = fires[number] / sizes[number]
    outside = (fires.sum(axis=0) - fires[number]) / max(sizes.sum() - sizes[number], 1)
    order = np.argsort(outside - inside, kind="stable")[:N_DISTINCTIVE]
    order = order[inside[order] > outside[order]]
    columns = (order.tolist(), labels_of(order), inside[order].tolist(), outside[order].tolist())
    names = [field.name for field in DISTINCTIVE]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _central(selected: Selected, found: Assigned, rows: Array) -> list[dict[str, object]]:
    """The documents that are most like the others of their cluster."""
    best = rows[np.lexsort((found.doc[rows], -found.centrality[rows]))[:N_CENTRAL]]
    texts = selected.collection.documents.take(found.doc[best], ["id", "text"]).to_pylist()
    return [
        {
            "doc": int(found.doc[i]),
            "id": t["id"],
            "centrality": float(found.centrality[i]),
            "text": beginning(t["text"]),
        }
        for i, t in zip(best, texts, strict=True)
    ]
