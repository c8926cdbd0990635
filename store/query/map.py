"""Where documents, or features, lie on a map that was made before (`store.growth.maps`)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from saelake.store.codes.embeddings import Block
from saelake.store.documents.columns import as_texts, read_columns
from saelake.store.errors import NotFound
from saelake.store.format.lists import Array, concatenate
from saelake.store.index.maps import DOCUMENTS, MapTable
from saelake.store.predicates.polygon import Polygon
from saelake.store.query.parts.found import beginning
from saelake.store.query.parts.labelled import labels_of
from saelake.store.query.parts.left_out import is_encoded
from saelake.store.query.parts.said import metadata, plural
from saelake.store.requests.checks import Selection
from saelake.store.requests.map import MapQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session
from saelake.store.tables.tables import Table


def map(session: Session, query: MapQuery) -> pa.Table:  # noqa: A001  # what the question is called
    """The points, by number; of more than `k` a sample, in which each is as likely as every other.

    The schema's metadata says how the map was made, n (points that were asked for), n_shown,
    n_since (documents encoded since, which are not on it), `columns`, a JSON list of those that
    there are, and `notes`. Raises `NotFound` where there is
    no map, and `InvalidFilter` and `InvalidInput`.
    """
    selected = session.select(Selection(collection=query.collection, where=query.where))
    found = _found(selected.collection, query.of)
    at = _kept(found, selected, query)
    n = len(at)
    if query.k is not None and n > query.k:
        drawn = np.random.default_rng(query.seed).choice(n, query.k, replace=False)
        at = at[np.sort(drawn)]
    rows = found.row[at]
    said = Said.of_documents if query.of == DOCUMENTS else Said.of_features
    about = said(session, selected, rows, query)
    columns = {
        "row": rows,
        "id": about.ids,
        "x": found.x[at],
        "y": found.y[at],
        "cluster": found.cluster[at],
        "value": about.value,
        "category": about.category,
        "text": about.texts,
    }
    table = pa.Table.from_pydict(columns, schema=MapQuery.answer)
    return table.replace_schema_metadata(_about(session, selected, found, n, len(at)))


def _found(collection: Collection, of: str) -> MapTable:
    found = collection.map(of)
    if found is None:
        raise NotFound(
            f"{collection.name} has no map of its {of}. Make one with `saelake project "
            f"{collection.name} --of {of}`.",
            collection=str(collection.name),
            of=of,
        )
    return found


def _kept(found: MapTable, selected: Selected, query: MapQuery) -> Array:
    """Where in the map the points are that are asked for, ascending."""
    keep = np.ones(len(found), np.bool_)
    if query.of == DOCUMENTS and selected.mask is not None:
        known = found.row < len(selected.mask)
        keep = known & selected.mask[np.where(known, found.row, 0)]
    if query.inside is not None:
        keep &= Polygon.parse(query.inside).contains(found.x, found.y)
    if query.rows:
        keep &= np.isin(found.row, np.array(query.rows, np.int64).astype(np.uint64))
    return np.flatnonzero(keep)


# -- What is said of each point.


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is said of points, in their order."""

    ids: pa.Array
    value: pa.Array
    category: pa.Array
    texts: pa.Array

    @classmethod
    def of_documents(
        cls, session: Session, selected: Selected, rows: Array, query: MapQuery
    ) -> "Said":
        """Of documents."""
        value, category = _valued(session, selected, rows, query)
        ids = texts = pa.nulls(len(rows), pa.string())
        if query.texts and len(rows):
            read = selected.collection.documents.take(rows, ["id", "text"])
            ids = read["id"].combine_chunks()
            texts = pa.array([beginning(text) for text in read["text"].to_pylist()], pa.string())
        return cls(ids=ids, value=value, category=category, texts=texts)

    @classmethod
    def of_features(
        cls, session: Session, selected: Selected, rows: Array, query: MapQuery
    ) -> "Said":
        """Of features."""
        collection = selected.collection
        texts = nothing = pa.nulls(len(rows), pa.string())
        if query.texts:
            texts = pa.array(labels_of(session, collection).of(rows.astype(np.int64)), pa.string())
        value = pa.array(_frequency(session, collection)[rows.astype(np.int64)], pa.float64())
        return cls(ids=nothing, value=value, category=nothing, texts=texts)


def _valued(
    session: Session, selected: Selected, rows: Array, query: MapQuery
) -> tuple[pa.Array, pa.Array]:
    """Values or categories of documents; nulls where none are asked for."""
    value, category = pa.nulls(len(rows), pa.float64()), pa.nulls(len(rows), pa.string())
    if query.features:
        return pa.array(_fired(session, selected, rows, query.features), pa.float64()), category
    if query.column is None:
        return value, category
    column = read_columns(selected.collection.documents, [query.column])[query.column]
    taken = column.take(pa.array(rows)).combine_chunks()
    if types.is_integer(taken.type) or types.is_floating(taken.type):
        return _finite(taken.cast(pa.float64())), category
    return value, as_texts(taken, query.column, "colour").cast(pa.string())


def _finite(values: pa.Array) -> pa.Array:
    """The values, with null for what no scale has a place for."""
    return pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))


def _fired(session: Session, selected: Selected, rows: Array, features: tuple[int, ...]) -> Array:
    """The sum of the features' values in each document, float64 (n,)."""
    chosen = np.zeros(selected.width, np.bool_)
    selected.collection.check_features(features)
    chosen[list(features)] = True
    parts = list(session.embeddings.map(selected, _Summed(chosen)))
    docs = concatenate((doc for doc, _ in parts), np.uint64)
    sums = np.zeros(selected.collection.documents.n_documents)
    sums[docs] = concatenate((value for _, value in parts), np.float64)
    found: Array = sums[rows]
    return found


@dataclass(frozen=True, slots=True)
class _Summed:
    """The sum of the chosen features' values in each document of a block."""

    chosen: Array

    def __call__(self, block: Block) -> tuple[Array, Array]:
        keep = self.chosen[block.features]
        sums = np.bincount(block.rows[keep], block.values[keep].astype(np.float64), len(block))
        return block.doc, sums


def _frequency(session: Session, collection: Collection) -> Array:
    """In how many documents each feature fires, of a signed dictionary its more frequent pole."""
    settings = collection.settings
    found = np.zeros(settings.d_sae, np.float64)
    table = Table.find(session.lake.features(collection.name))
    if table is not None and table.n_rows:
        counts = table.read(["feature", "document_frequency"])
        features = settings.poles.features(np.asarray(counts["feature"])).astype(np.int64)
        np.maximum.at(found, features, np.asarray(counts["document_frequency"]))
    return found


# -- What the answer says of itself.


def _about(
    session: Session, selected: Selected, found: MapTable, n: int, n_shown: int
) -> dict[bytes, bytes]:
    made = found.made
    n_since = _n_since(session, selected, found) if made.of == DOCUMENTS else 0
    is_current = made.codes == selected.collection.codes.table.contents
    notes = list(_notes(found, n, n_shown, n_since, is_current=is_current))
    return metadata(
        notes=notes,
        of=made.of,
        method=f"{made.method} {made.version}" if made.n_fitted else made.method,
        seed=made.seed,
        made=made.made,
        n_map=made.n,
        n_fitted=made.n_fitted,
        n_clusters=made.n_clusters,
        n_since=n_since,
        n=n,
        n_shown=n_shown,
        columns=json.dumps(selected.collection.documents.metadata_columns),
    )


def _n_since(session: Session, selected: Selected, found: MapTable) -> int:
    """How many encoded documents are not on the map, but for those that nothing fired in then."""
    encoded = is_encoded(session, selected.whole).copy()
    encoded[found.row[found.row < len(encoded)]] = False
    return max(int(encoded.sum()) - found.made.n_silent, 0)


def _notes(
    found: MapTable, n: int, n_shown: int, n_since: int, *, is_current: bool
) -> Iterator[str]:
    made = found.made
    if n_shown < n:
        yield f"{n_shown:,} of {n:,} {made.of} are shown, drawn at random."
    if made.n_fitted < made.n:
        yield (
            f"{made.n_fitted:,} of {made.n:,} {made.of} were laid out, drawn at random; the others "
            "are placed among those most like them."
        )
    if n_since:
        came = plural(n_since, "document has come", "documents have come")
        yield f"{came} since the map was made, and not onto it: make it again with project."
    elif not is_current and made.of == DOCUMENTS:
        yield "The codes have changed since the map was made: make it again with project."
