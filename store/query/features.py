"""Which features there are, and how they behave."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.errors import NotFound
from saelake.store.format.lists import Array
from saelake.store.requests.features import FeatureOrder, FeaturesQuery
from saelake.store.snapshot.session import Session
from saelake.store.tables.tables import Table

SCAN_ROWS = 1 << 16

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
    rows = query.features if query.features is not None else _found(table, query).tolist()
    return table.take(rows, FeaturesQuery.answer.names)


def _found(table: Table, query: FeaturesQuery) -> Array:
    """Row numbers of the features asked for: of a million, only a column is read."""
    if query.token is not None:
        return _peaking_on(table, query.token)[: query.k]
    return _ordered(table, query.order)[: query.k]


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
