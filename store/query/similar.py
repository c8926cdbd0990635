"""Which documents are like a text, some documents, or some features.

With q and v the pooled values of the query and of a document, both times the features' weights w
(1, unless chosen; with idf also ln(n / df)): cosine q.v / (|q| |v|); dot q.v; and the weighted
Jaccard similarity sum(min(q, v)) / sum(max(q, v)). A document that shares no feature is no hit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from saelake.store.arrays import kernels
from saelake.store.codes.embeddings import Block
from saelake.store.documents.filters import DocumentMask
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array
from saelake.store.index.impacts import EVERYTHING, SELECTIVE, ImpactIndex
from saelake.store.query.parts.dense import dense_query, dense_ranking, fused, fused_depth
from saelake.store.query.parts.found import Found, found_rows
from saelake.store.query.parts.frequencies import frequencies
from saelake.store.query.parts.labelled import Chosen, labels_of, phrase_features
from saelake.store.query.parts.listed import ListedFeatures, needed
from saelake.store.query.parts.nearest import Near, nearest_of, scored
from saelake.store.query.parts.spread import in_parts
from saelake.store.query.parts.whereabouts import Whereabouts
from saelake.store.query.parts.words import word_ranking
from saelake.store.requests.checks import Pooling, Selection, Weight
from saelake.store.requests.similar import Measure, SimilarQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

APPROXIMATE_ABOVE = 50_000  # documents; fewer are compared exactly in milliseconds
TEXT_VOTE = 0.5  # of the SAE ranking of a text, in a hybrid
N_ABOUT = 100  # features that stand for a phrase
MOST_WEIGHT = 1e9  # whose products with values can be squared and added up as float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What documents are compared with: `values` float32 (d_sae,) with the weights in them.

    `weights` float32 (d_sae,) are those of a document's values.
    """

    values: Array
    weights: Array
    measure: Measure

    def __call__(self, block: Block) -> tuple[Array, Array]:
        """The documents of a block that share a feature, and their scores."""
        arrays = block.offsets, block.features, block.values
        if self.measure == "jaccard":
            shared, total = kernels.overlaps(*arrays, self.values, self.weights)
            score = _ratio(shared, total + np.float32(self.values.sum()) - shared)
        elif self.measure == "dot":
            score = kernels.dot_products(*arrays, self.values * self.weights)
        elif self.is_plain:
            dot = kernels.dot_products(*arrays, self.values)
            score = self._cosine(dot, block.lengths)
        else:
            query = self.values * self.weights
            dot, square = kernels.products(*arrays, query, self.weights * self.weights)
            score = self._cosine(dot, np.sqrt(square))
        hit = np.flatnonzero(score != 0)
        return block.doc[hit], score[hit]

    @property
    def is_plain(self) -> bool:
        """Whether all features of documents count as they are."""
        return bool((self.weights == 1).all())

    def _cosine(self, dot: Array, lengths: Array) -> Array:
        return _ratio(dot, lengths * np.float32(np.linalg.norm(self.values)))

    def shares(self, block: Block) -> Array:
        """What part of its document's score each value makes."""
        mine = self.values[block.features]
        theirs = self.weights[block.features] * block.values
        part = np.minimum(mine, theirs) if self.measure == "jaccard" else mine * theirs
        total = np.bincount(block.rows, part, len(block))
        return _ratio(part, total[block.rows].astype(np.float32))


def _ratio(part: Array, whole: Array) -> Array:
    """part / whole, 0 where whole is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)


def similar(session: Session, query: SimilarQuery) -> pa.Table:
    """The documents most like what the query names (`query.found.found_schema`).

    The schema's metadata says with what recall, measured on documents of the collection: 1 is
    exact; and with `about` which features stand for the phrase: `chosen`, a JSON list.

    Raises `NotFound` for documents or features that do not exist and labels or dense embeddings
    that were not made, `InvalidInput` where nothing can be compared.
    """
    selected = session.select(Selection(collection=query.collection, where=query.where))
    asked = _asked(selected, query)
    chosen = _chosen(session, selected.collection, query)
    made = _query(session, selected, query, asked, chosen)
    near = _near(session, selected, made, query, asked)
    found, labels = near.found, labels_of(session, selected.collection)
    embeddings = near.embeddings(session, selected, query.pooling)
    table = found_rows(selected.collection, found, labels, made.shares, embeddings)
    said = {} if chosen is None else chosen.said(made.weights[chosen.features])
    return table.replace_schema_metadata({"recall": f"{near.recall:.4g}", **said})


def _near(
    session: Session, selected: Selected, made: Query, query: SimilarQuery, asked: Array
) -> Near:
    """What is found, by the method asked for."""
    if query.method == "dense":
        vector = dense_query(session, selected, query.text, asked)
        return Near(dense_ranking(session, selected, vector, query.k, asked))
    if query.method == "hybrid":
        return _hybrid(session, selected, made, query, asked)
    return _by_features(session, selected, made, query, query.k, asked)


def _by_features(
    session: Session,
    selected: Selected,
    made: Query,
    query: SimilarQuery,
    k: int | None,
    asked: Array,
) -> Near:
    """The `k` nearest in SAE space, nearly where that is quicker."""
    nearly = _approximate(session, selected, made, query, k, asked)
    return nearly or Near(ranking(session, selected, made, k, asked, query.pooling))


def _chosen(session: Session, collection: Collection, query: SimilarQuery) -> Chosen | None:
    """The features that stand for the phrase, if there is one."""
    if query.about is None:
        return None
    return phrase_features(session, collection, query.about, N_ABOUT, query.min_score)


def _hybrid(
    session: Session, selected: Selected, made: Query, query: SimilarQuery, asked: Array
) -> Near:
    """By the ranks in SAE space, in dense embeddings and, for a text, in its words.

    A short text has few features, and by them alone is found worse than by its words or meaning
    (docs/examples/quality.md): there the SAE ranking has half a vote.
    """
    depth = fused_depth(query.k)
    vector = dense_query(session, selected, query.text, asked)
    rankings = [(dense_ranking(session, selected, vector, depth, asked), 1.0)]
    if query.text is not None:
        words = word_ranking(selected, query.text, query.where, depth, asked)
        rankings += [(words, 1.0)] if words is not None else []
    near = _by_features(session, selected, made, query, depth, asked)
    rankings.append((near.found, 1.0 if query.text is None else TEXT_VOTE))
    return Near(fused(rankings, query.k), near.recall)


def ranking(
    session: Session,
    selected: Selected,
    made: Query,
    k: int | None,
    asked: Array,
    pooling: Pooling = "max",
) -> Found:
    """The `k` best of the documents that share a feature, without those asked about."""
    room = None if k is None else k + len(asked)
    features = needed(made.values, made.weights, made.measure)
    listed = ListedFeatures.of(session, selected, features, pooling)
    if listed is not None:
        return _by_lists(session, selected, made, listed, room).without(asked)[:k]
    whole, work = _unmasked(selected, made)
    parts = [Found.best(*part, room) for part in scored(session, whole, work, pooling)]
    return Found.joined(parts).best_of(room).without(asked)[:k]


def _by_lists(
    session: Session, selected: Selected, made: Query, listed: ListedFeatures, room: int | None
) -> Found:
    """The best by posting lists, and by reading what they do not cover."""
    by_lists = _ByLists(listed.features, made, selected.mask, room)
    rest = session.embeddings.map(selected, made, without=listed.without)
    found = in_parts(session, selected.collection, by_lists)
    return Found.joined([*found, *(Found.best(*part, room) for part in rest)]).best_of(room)


@dataclass(frozen=True, slots=True)
class _ByLists:
    """The best documents of a collection, or of a part of it, by the lists of some features."""

    features: Sequence[int]
    made: Query
    mask: DocumentMask | None
    room: int | None

    def __call__(self, collection: Collection) -> Found:
        made = self.made
        listed = ListedFeatures(collection, self.features)
        docs, scores = listed.scores(made.values, made.weights, made.measure)
        if self.mask is not None:
            keep = self.mask[docs]
            docs, scores = docs[keep], scores[keep]
        return Found.best(docs, scores, self.room)


@dataclass(frozen=True, slots=True)
class _Masked:
    """The scores of a query, of the documents that a filter keeps."""

    made: Query
    mask: DocumentMask

    def __call__(self, block: Block) -> tuple[Array, Array]:
        docs, scores = self.made(block)
        keep = self.mask[docs]
        return docs[keep], scores[keep]


def _unmasked(selected: Selected, made: Query) -> tuple[Selected, Query | _Masked]:
    """The whole collection, where to score what a filter drops is less work than to copy."""
    if selected.mask is None or selected.mask.mean() <= SELECTIVE:
        return selected, made
    return Selected(selected.collection, None), _Masked(made, selected.mask)


def _approximate(
    session: Session,
    selected: Selected,
    made: Query,
    query: SimilarQuery,
    k: int | None,
    asked: Array,
) -> Near | None:
    """Nearly the same by cosine, or the same, from rows; None where that would not be faster."""
    if (
        k is None
        or query.measure != "cosine"
        or query.within
        or query.about is not None
        or query.weights
        or (made.values < 0).any()
    ):
        return None
    stored = None
    if query.pooling == "max" and not query.idf:
        stored = nearest_of(session, selected, made.values, made, k, asked, exact=query.exact)
    if stored is not None or query.exact:
        return stored
    return _in_memory(session, selected, made, query, k, asked)


def _in_memory(
    session: Session, selected: Selected, made: Query, query: SimilarQuery, k: int, asked: Array
) -> Near | None:
    """By impacts that are made when they are first asked for, of what fits in memory."""
    if selected.collection.codes.locations.n_documents < APPROXIMATE_ABOVE:
        return None
    held = session.embeddings.hold(selected, query.pooling)
    if held is None:
        return None
    index = session.cache.kept(
        (selected.key, query.pooling, query.idf, "impacts"),
        lambda: ImpactIndex.of(list(held), made.weights),
        lambda made_of: made_of.n_bytes,
    )
    if index.budget is None:
        return None
    room = k + len(asked)
    parts = []
    for impacts in index.blocks:
        keep = EVERYTHING if selected.mask is None else selected.mask[impacts.block.doc]
        near = impacts.nearest(made.values, made.weights, room, keep, index.budget)
        parts.append(Found.best(*near, room))
    return Near(Found.joined(parts).best_of(room).without(asked)[:k], index.recall)


def _asked(selected: Selected, query: SimilarQuery) -> Array:
    """The numbers of the documents asked about, uint64. Raises `NotFound`."""
    documents = selected.collection.documents
    docs = np.array([*query.docs, *map(documents.find, query.ids)], np.int64)
    documents.check(docs.tolist())
    return np.unique(docs).astype(np.uint64)


def _query(
    session: Session,
    selected: Selected,
    query: SimilarQuery,
    asked: Array,
    chosen: Chosen | None,
) -> Query:
    weights = _weights(session, selected, query, chosen)
    values = weights * _values(session, selected, query, asked)
    if query.measure == "jaccard" and (values < 0).any():
        raise InvalidInput("Jaccard cannot compare negative values: give features others.")
    if query.method != "dense" and not values.any():
        raise InvalidInput(
            f"No feature of {query.collection} fires in what was asked about, among those to be "
            "compared: there is nothing to be similar to.",
            collection=query.collection,
        )
    return Query(values=values, weights=weights, measure=query.measure)


def _values(session: Session, selected: Selected, query: SimilarQuery, asked: Array) -> Array:
    """What is asked about as an SAE embedding, float32 (d_sae,).

    Of several documents the mean of their directions, but for Jaccard of their values, which it
    compares as they are.
    """
    collection = selected.collection
    if query.features:
        collection.check_features(weight.feature for weight in query.features)
        return spread(query.features, selected.width)
    if query.text is not None:
        return _text_values(session, collection, query.text, query.pooling)
    block = session.embeddings.take(selected, asked, query.pooling)
    as_directions = len(asked) > 1 and query.measure != "jaccard"
    values = np.zeros(selected.width, np.float64)
    for row in range(len(block)):
        features, found = block.row(row)
        length = np.linalg.norm(found) if as_directions else 1.0
        values[features] += found / (length or 1.0)
    return (values / max(len(block), 1)).astype(np.float32)


def _text_values(session: Session, collection: Collection, text: str, pooling: Pooling) -> Array:
    """The SAE embedding of a text, as the collection's documents have one, float32 (d_sae,)."""
    settings = collection.settings
    placed = Whereabouts.of(session.lake, collection)
    block = session.texts.codes(settings, placed.model, placed.dictionary, text, pooling)
    values = np.zeros(settings.width, np.float32)
    values[block.features] = block.values
    return values


def _weights(
    session: Session, selected: Selected, query: SimilarQuery, chosen: Chosen | None
) -> Array:
    """How much each feature counts, float32 (d_sae,)."""
    collection = selected.collection
    weights = np.ones(selected.width)
    within = query.within if chosen is None else tuple(chosen.features.tolist())
    collection.check_features([*within, *(weight.feature for weight in query.weights)])
    if within:
        weights[:] = 0
        weights[list(within)] = 1
    with np.errstate(over="ignore", invalid="ignore"):  # `singles` says so
        for weight in query.weights:
            weights[weight.feature] *= weight.weight
    weights = singles(weights)
    return weights * inverse_frequency(session, selected) if query.idf else weights


def spread(weights: Iterable[Weight], d_sae: int) -> Array:
    """Weights of features as a dense vector, float32 (d_sae,)."""
    values = np.zeros(d_sae)
    with np.errstate(over="ignore", invalid="ignore"):
        for weight in weights:
            values[weight.feature] += weight.weight
    return singles(values)


def singles(weights: Array) -> Array:
    """These weights as float32. Raises `InvalidInput` for those that are too large for that."""
    if not np.abs(weights).max(initial=0) <= MOST_WEIGHT:  # also of NaN
        raise InvalidInput(
            f"A feature counts at most {MOST_WEIGHT:g}, all its weights together. Only how weights "
            "compare makes a difference: divide all of them."
        )
    return weights.astype(np.float32)


def inverse_frequency(session: Session, selected: Selected) -> Array:
    """ln(n / df) of each feature over the whole collection, 0 where it never fires (d_sae,)."""
    n, fires = frequencies(session, selected.whole)
    return np.log(n / np.maximum(fires, 1), where=fires > 0, out=np.zeros(len(fires))).astype(
        np.float32
    )
