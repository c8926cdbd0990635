"""Which features there are, and how they behave."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.codes.held import TOKEN_COUNT_COLUMNS
from saelake.store.codes.table import CodesTable
from saelake.store.errors import NotFound
from saelake.store.format.lists import Array
from saelake.store.format.schema import FEATURES_COLUMNS
from saelake.store.index.features import COVERS_KEY
from saelake.store.index.totals import SAMPLE_KEY
from saelake.store.labels.labels import LabelsTable
from saelake.store.query.parts.labelled import labels_of
from saelake.store.requests.features import FeatureOrder, FeaturesQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session
from saelake.store.tables.tables import Table, metadata

SCAN_ROWS = 1 << 16
TOKENS_ROWS = 4096  # of codes, with the ids of all their tokens

_COLUMN_OF: dict[FeatureOrder, str] = {
    "documents": "document_frequency",
    "tokens": "token_frequency",
    "max": "max",
    "mean": "mean",
}


def features(session: Session, query: FeaturesQuery) -> pa.Table:
    """The statistics asked for, in the order asked for (ties: the lower feature first).

    Raises `NotFound` for a feature that does not exist, or when nothing is indexed yet.
    """
    collection = session.collection(query.collection)
    if query.features is not None:
        collection.check_features(query.features)
    table = Table.find(session.lake.features(collection.name))
    if table is None or table.n_rows != collection.settings.width:
        lacks = "statistics of both poles" if collection.is_outdated else "feature statistics"
        raise NotFound(
            f"{collection.name} has no {lacks} yet: run `saelake index {collection.name}` first.",
            collection=collection.name,
        )
    if query.name is not None:
        rows = _called(labels_of(session, collection), table, query).tolist()
    elif query.features is not None:
        rows = list(query.features)
    else:
        rows = _found(table, query).tolist()
    counted = _of_held(session, collection, table, table.take(rows, FEATURES_COLUMNS.names))
    return _labelled(session, collection, counted)


def _labelled(session: Session, collection: Collection, rows: pa.Table) -> pa.Table:
    """The rows with each feature's label."""
    labels = labels_of(session, collection)
    features = rows["feature"].to_numpy()
    said = labels.rows(features)
    columns = [
        labels.of(features),
        *(said[n] for n in ("corpus", "coverage", "score", "score_kind")),
    ]
    return pa.table([*rows.columns, *columns], schema=FeaturesQuery.answer)


def _of_held(session: Session, collection: Collection, table: Table, rows: pa.Table) -> pa.Table:
    """The rows with densities over the tokens held, where an earlier saelake counted all tokens."""
    codes = collection.codes
    if metadata(table.schema).get(SAMPLE_KEY) == codes.held.key:
        return rows
    covers = metadata(table.schema)[COVERS_KEY]
    key = (codes.table.uri, covers, "tokens held")
    n_tokens = session.cache.kept(key, lambda: _n_held(codes, covers), lambda _: 8)
    density = rows["token_frequency"].to_numpy() / max(n_tokens, 1)
    return rows.set_column(rows.schema.get_field_index("density"), "density", pa.array(density))


def _n_held(codes: CodesTable, covers: str) -> int:
    """How many tokens are held in those fragments of the codes that statistics are of."""
    fragments = codes.table.fragment_ids & {int(i) for i in covers.split(",") if i}
    counted = codes.scan(TOKEN_COUNT_COLUMNS, fragments=fragments, batch_rows=TOKENS_ROWS)
    return sum(int(codes.token_counts(batch).sum()) for batch in counted)


def _found(table: Table, query: FeaturesQuery) -> Array:
    """Row numbers of the features asked for: of a million, only a column is read."""
    if query.token is not None:
        return _peaking_on(table, query.token)[: query.k]
    return _ordered(table, query.order)[: query.k]


def _called(labels: LabelsTable, table: Table, query: FeaturesQuery) -> Array:
    """Row numbers of features that some explainer calls so, in the order asked for."""
    wanted = (query.name or "").strip().casefold()
    said = zip(*(labels.each[name].to_pylist() for name in ("feature", "label")), strict=True)
    features = {feature for feature, label in said if label.strip().casefold() == wanted}
    ordered = _ordered(table, query.order)
    return ordered[np.isin(ordered, list(features))][: query.k]


def _ordered(table: Table, order: FeatureOrder) -> Array:
    """Row numbers, the largest first; features that never fire come last."""
    if order == "feature":
        return np.arange(table.n_rows)
    name = _COLUMN_OF[order]
    column = pa.Table.from_batches(table.scan([name], batch_rows=SCAN_ROWS))[name]
    return np.argsort(-column.cast(pa.float64()).fill_null(-np.inf).to_numpy(), kind="stable")


def _peaking_on(table: Table, token: str) -> Array:
    """Row numbers of features with `token` among their top tokens, most often on it first."""
    wanted = token.strip().casefold()
    counted = [
        _peaks(batch["top_tokens"], wanted)
        for batch in table.scan(["top_tokens"], batch_rows=SCAN_ROWS)
    ]
    peaks = np.concatenate(counted)
    order = np.argsort(-peaks, kind="stable")
    return order[peaks[order] > 0]


def _peaks(lists: pa.ListArray, wanted: str) -> Array:
    """For each list of top tokens, in how many documents the feature peaks on a token (n,)."""
    structs = lists.flatten()
    names = structs.field("token").dictionary_encode()  # of a million names most are the same
    same = [(name or "").strip().casefold() == wanted for name in names.dictionary.to_pylist()]
    found = np.array([*same, False])[names.indices.fill_null(-1)]
    rows, counts = pc.list_parent_indices(lists).to_numpy(), structs.field("documents").to_numpy()
    return np.bincount(rows[found], counts[found], len(lists))
