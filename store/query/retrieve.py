"""Which documents have a property that a phrase names.

Of the k features whose labels are nearest the phrase (arXiv 2512.10092, section 6), that of rank
r = 0, 1, … counts exp(-(r / k) / T); a document's value of a feature is its largest over tokens
divided by the 90th percentile of the feature's values where it fires; the score is the sum. The
hybrid fuses that ranking with the dense embeddings' by reciprocal rank. Who asks may give features
with weights, in place of those.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from saelake.store.codes.embeddings import Block
from saelake.store.format.lists import Array, concatenate
from saelake.store.labels.labels import LabelsTable
from saelake.store.query.parts.dense import dense_query, dense_ranking, fused, fused_depth
from saelake.store.query.parts.found import found_rows
from saelake.store.query.parts.labelled import Chosen, labels_of, nearest_labels
from saelake.store.query.parts.listed import ListedFeatures
from saelake.store.query.similar import Query, ranking
from saelake.store.requests.checks import Selection
from saelake.store.requests.retrieve import RetrieveQuery
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

PERCENTILE = 90
NOBODY = np.empty(0, np.uint64)


@dataclass(frozen=True, slots=True)
class _ValuesOf:
    """The values of some features in a block, with the features."""

    wanted: Array  # bool (d_sae,)

    def __call__(self, block: Block) -> tuple[Array, Array]:
        keep = self.wanted[block.features]
        return block.features[keep], block.values[keep]


def retrieve(session: Session, query: RetrieveQuery) -> pa.Table:
    """The documents with the most of the property (`query.found.found_schema`).

    The schema's metadata says which features stand for the phrase: `chosen`, a JSON list.
    """
    selected = session.select(Selection(collection=query.collection, where=query.where))
    labels = labels_of(session, selected.collection)
    depth = fused_depth(query.k) if query.method == "hybrid" else query.k
    chosen, importance = _chosen(session, labels, query)
    made = _query(session, selected, chosen.features, importance)
    rankings = []
    if query.method != "dense":
        rankings.append((ranking(session, selected, made, depth, NOBODY), 1.0))
    if query.method != "sae":
        vector = dense_query(session, selected, query.phrase, NOBODY)
        rankings.append((dense_ranking(session, selected, vector, depth, NOBODY), 1.0))
    found = rankings[0][0] if len(rankings) == 1 else fused(rankings, query.k)
    embeddings = session.embeddings.take(selected, found.doc)
    table = found_rows(selected.collection, found, labels, made.shares, embeddings)
    return table.replace_schema_metadata(chosen.said(importance))


def _chosen(session: Session, labels: LabelsTable, query: RetrieveQuery) -> tuple[Chosen, Array]:
    """The features that stand for the phrase, and how much each counts, float64 (n,)."""
    if query.features:
        features = np.array([each.feature for each in query.features], np.int64)
        weights = np.array([each.weight for each in query.features])
        unknown = np.full(len(features), np.nan, np.float32)
        given = Chosen(labels=labels, features=features, similarity=unknown, are_given=True)
        return given, weights
    found = nearest_labels(session, labels, query.phrase, query.n_features, query.min_score)
    return found, _importance(len(found.features), query.temperature)


def _importance(n: int, temperature: float) -> Array:
    """How much the features count, by the rank of their labels, float64 (n,)."""
    weights: Array = np.exp(-np.arange(n) / max(n, 1) / temperature)
    return weights


def _query(session: Session, selected: Selected, features: Array, importance: Array) -> Query:
    values = np.zeros(selected.width, np.float32)
    values[features] = importance
    scale = percentiles(session, selected, features)
    weights = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    return Query(values=values, weights=weights, measure="dot")


def percentiles(session: Session, selected: Selected, features: Array) -> Array:
    """The 90th percentile of each of these features' values where it fires, float32 (d_sae,).

    Over the whole collection, so that a filter does not change what counts as much; 0 for a
    feature that never fires.
    """
    parts = list(_values(session, selected.whole, features))
    feature = concatenate((f for f, _ in parts), np.uint32)
    value = concatenate((v for _, v in parts), np.float32)
    order = np.argsort(feature, kind="stable")
    feature, value = feature[order], value[order]
    scale = np.zeros(selected.width, np.float32)
    for number in features:
        begin, end = np.searchsorted(feature, [number, number + 1])
        if end > begin:
            scale[number] = np.percentile(value[begin:end], PERCENTILE)
    return scale


def _values(session: Session, whole: Selected, features: Array) -> Iterator[tuple[Array, Array]]:
    """The features uint32 and values float32 of these features in all documents."""
    wanted = np.zeros(whole.width, np.bool_)
    wanted[features] = True
    listed = ListedFeatures.of(session, whole, features, "max")
    if listed is None:
        session.embeddings.hold(whole)
        yield from session.embeddings.map(whole, _ValuesOf(wanted))
        return
    for feature, doc, value in listed.each():
        found = value if whole.mask is None else value[whole.mask[doc]]
        yield np.full(len(found), feature, np.uint32), found
    yield from session.embeddings.map(whole, _ValuesOf(wanted), without=listed.without)
