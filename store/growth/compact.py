"""Compact a corpus: small fragments become large ones, and what is deleted goes for good.

Each table changes by one commit, so a reader sees it as it was or as it is.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.documents.documents import Documents
from saelake.store.documents.tombstones import deleted_docs, tombstones
from saelake.store.format.lists import Array
from saelake.store.format.schema import DELETED
from saelake.store.growth.compact_codes import compact_codes
from saelake.store.growth.compact_documents import compact_documents
from saelake.store.growth.compacted import Progress
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.reports import Compacted
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table

SCAN_ROWS = 256
ROW_ROWS = 65_536
KEPT_ROWS = 16  # of up to 4 MiB each


def compact(
    lake: Lake, target: str, *, on_progress: Progress = lambda *_: None
) -> tuple[Compacted, ...]:
    """Compact one collection (`corpus/dictionary`), or a corpus with all its collections.

    Afterwards what was indexed is indexed again where codes were rewritten. Encoders, importers
    and readers may run meanwhile; safe to kill and to repeat. Raises `Conflict` when another
    writer rewrites the same rows, `NotFound` for an unknown target.
    """
    if "/" in target:
        return (compact_codes(lake, CollectionName.parse(target), on_progress=on_progress),)
    documents = Documents.open(lake, target)
    names = [name for name in lake.collections() if name.corpus == target]
    done = [compact_codes(lake, name, on_progress=on_progress) for name in _begun(lake, names)]
    for table in Table.open_all(map(lake.activations, names)):
        _empty_activations(table, documents.tombstones.docs)
    done.append(compact_documents(documents))
    _drop_vectors(lake, documents)
    _join_tombstones(documents)
    return tuple(done)


def _begun(lake: Lake, names: Iterable[CollectionName]) -> list[CollectionName]:
    """The collections that have a shard."""
    return [name for name in names if Table.open(lake.codes(name)).fragments]


def _drop_vectors(lake: Lake, documents: Documents) -> None:
    """Take deleted documents out of the dense embeddings."""
    deleted = documents.tombstones.docs
    table = Table.find(lake.vectors(documents.corpus))
    if table is None:
        return
    old = tuple(f.id for f in table.fragments if _has_rows(table, f.id, deleted))

    def kept() -> Iterator[pa.RecordBatch]:
        for batch in table.scan(table.schema.names, fragments=old, batch_rows=SCAN_ROWS):
            yield batch.filter(pa.array(~np.isin(np.asarray(batch["row"]), deleted)))

    def decide(snapshot: Table) -> Change | None:
        present = {fragment.id for fragment in snapshot.fragments}
        return Change(add=draft, remove=old) if set(old) <= present else None

    if old:
        draft = table.write(kept())
        table.commit(decide)


def _empty_activations(table: Table, deleted: Array) -> None:
    """Take the kept activations of deleted documents out; their rows say that they are deleted."""
    instead = {
        fragment.id: table.write(_emptied(table, fragment.id, deleted), one_fragment=True)
        for fragment in table.fragments
        if _has_tokens(table, fragment.id, deleted)
    }

    def decide(snapshot: Table) -> Change | None:
        present = {fragment.id for fragment in snapshot.fragments}
        return Change(instead={i: draft for i, draft in instead.items() if i in present})

    if instead:
        table.commit(decide)


def _has_tokens(activations: Table, fragment: int, docs: Array) -> bool:
    batches = activations.scan(["doc", "n_tokens"], fragments=[fragment], batch_rows=ROW_ROWS)
    return any(
        (np.isin(np.asarray(b["doc"]), docs) & (np.asarray(b["n_tokens"]) > 0)).any()
        for b in batches
    )


def _emptied(activations: Table, fragment: int, deleted: Array) -> Iterator[pa.RecordBatch]:
    schema = activations.schema
    for batch in activations.scan(schema.names, fragments=[fragment], batch_rows=KEPT_ROWS):
        gone = pa.array(np.isin(np.asarray(batch["doc"]), deleted))
        nothing = {"error": DELETED, "n_tokens": 0, "positions": [], "token_ids": [], "vectors": []}
        columns = [
            pc.if_else(gone, pa.scalar(nothing[name], column.type), column)
            if name in nothing
            else column
            for name, column in zip(schema.names, batch.columns, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _has_rows(vectors: Table, fragment: int, docs: Array) -> bool:
    batches = vectors.scan(["row"], fragments=[fragment], batch_rows=ROW_ROWS)
    return any(np.isin(np.asarray(batch["row"]), docs).any() for batch in batches)


def _join_tombstones(documents: Documents) -> None:
    """Make the tombstones one fragment."""

    def decide(snapshot: Table) -> Change | None:
        if len(snapshot.fragments) < 2:
            return None
        draft = snapshot.write([tombstones(deleted_docs(snapshot))])
        return Change(add=draft, remove=tuple(f.id for f in snapshot.fragments))

    if documents.tombstones.table is not None:
        documents.tombstones.table.commit(decide)
