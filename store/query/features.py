"""Which features there are, and how they behave."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.collection import Collection
from saelake.store.errors import NotFound
from saelake.store.lists import Array
from saelake.store.requests import FeatureOrder, FeaturesQuery
from saelake.store.schema import FEATURES_COLUMNS
from saelake.store.tables import Table

_COLUMN_OF: dict[FeatureOrder, str] = {
    "documents": "document_frequency",
    "tokens": "token_frequency",
    "max": "max",
    "mean": "mean",
}


def features(collection: Collection, table: Table | None, query: FeaturesQuery) -> pa.Table:
    """The statistics asked for, in the order asked for (ties: the lower feature first).

    Raises `NotFound` for a feature that does not exist, or when nothing is indexed yet.
    """
    if query.features is not None:
        collection.check_features(query.features)
    if table is None or table.n_rows == 0:
        raise NotFound(
            f"{collection.name} has no feature statistics yet: run `saelake index "
            f"{collection.name}` first.",
            collection=collection.name,
        )
    if query.features is not None:
        return table.take(query.features, FEATURES_COLUMNS.names)
    whole = pa.Table.from_batches(table.scan(FEATURES_COLUMNS.names), FEATURES_COLUMNS)
    if query.token is not None:
        return _peaking_on(whole, query.token, query.k)
    return whole.take(pa.array(_ordered(whole, query.order)[: query.k]))


def _ordered(table: pa.Table, order: FeatureOrder) -> Array:
    """Row numbers, the largest first; features that never fire come last."""
    if order == "feature":
        return np.arange(table.num_rows)
    column = table[_COLUMN_OF[order]].cast(pa.float64()).fill_null(-np.inf).to_numpy()
    return np.argsort(-column, kind="stable")


def _peaking_on(table: pa.Table, token: str, k: int | None) -> pa.Table:
    """The features with `token` among their top tokens, those that peak on it most first."""
    wanted = token.strip().casefold()
    lists = table["top_tokens"].combine_chunks()
    rows = pc.list_parent_indices(lists).to_numpy()
    structs = lists.flatten()
    names = structs.field("token").to_pylist()
    counts = structs.field("documents").to_numpy()
    same = np.array([(name or "").strip().casefold() == wanted for name in names], np.bool_)
    peaks = np.bincount(rows[same], counts[same], table.num_rows)
    order = np.argsort(-peaks, kind="stable")
    return table.take(pa.array(order[peaks[order] > 0][:k]))
