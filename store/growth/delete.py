"""Delete documents: no question finds them from the next snapshot on."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.documents.documents import Documents
from saelake.store.documents.tombstones import deleted_docs, tombstones
from saelake.store.errors import Conflict, InvalidInput, NotFound
from saelake.store.format.lists import Array
from saelake.store.format.schema import DELETED_COLUMNS
from saelake.store.lake.lake import Lake
from saelake.store.reports import DeleteReport
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table

SCAN_ROWS = 65_536
IDS_SHOWN = 3  # of those that are not there
EXAMPLES = 5


def delete_documents(
    lake: Lake,
    corpus: str,
    *,
    where: str | None = None,
    ids: Sequence[str] = (),
    dry_run: bool = False,
    expect: int | None = None,
) -> DeleteReport:
    """Delete the documents that satisfy a predicate, or have these ids, all by one commit.

    Every question leaves them out from then on; their ids may be imported again. Their codes and
    texts stay in the lake's files until `compact` takes them out and `cleanup` old versions of the
    tables, and statistics of features count them until the index after a compaction. Deleting
    again does nothing. A `dry_run` only counts. Raises `NotFound` for an id that no document has,
    and `Conflict` where they are not as many as one may `expect`; nothing is deleted then.
    """
    if where is None and not ids:
        raise InvalidInput(
            "Nothing says which documents to delete: give a predicate (--where), or ids (--id)."
        )
    if where is not None and ids:
        raise InvalidInput(
            "Documents are deleted by --where or by --id, not by both at once. Leave one out, or "
            "put the ids into the predicate: --where \"(…) AND id IN ('17', '18')\"."
        )
    documents = Documents.open(lake, corpus)
    chosen = _matching(documents, where) if where is not None else _with_ids(documents, ids)
    _check_expected(corpus, len(chosen), expect)
    shown = documents.take(chosen[:EXAMPLES], ["id"])["id"].to_pylist()
    if len(chosen) and not dry_run:
        _commit(lake, corpus, chosen)
    return DeleteReport(
        corpus=corpus,
        n_documents=len(chosen),
        n_left=documents.n_documents - documents.n_deleted - len(chosen),
        ids=tuple(shown),
        dry_run=dry_run,
    )


def _check_expected(corpus: str, n: int, expected: int | None) -> None:
    if expected is not None and n != expected:
        raise Conflict(
            f"Nothing was deleted: it would be {n:,} documents of {corpus}, not {expected:,}. "
            "Others came or went meanwhile; look at them, and delete again.",
            corpus=corpus,
        )


def _matching(documents: Documents, where: str) -> Array:
    mask = documents.filters.mask(where)
    assert mask is not None
    return np.flatnonzero(mask).astype(np.uint64)


def _with_ids(documents: Documents, ids: Sequence[str]) -> Array:
    wanted = pa.array(dict.fromkeys(ids), pa.string())
    found: dict[str, int] = {}
    for batch in documents.table.scan(["doc", "id"], batch_rows=SCAN_ROWS):
        rows = batch.filter(pc.is_in(batch["id"], wanted))
        pairs = zip(rows["id"].to_pylist(), rows["doc"].to_pylist(), strict=True)
        found.update((name, doc) for name, doc in pairs if documents.is_alive(doc))
    missing = [name for name in wanted.to_pylist() if name not in found]
    if missing:
        shown = ", ".join(map(repr, missing[:IDS_SHOWN])) + (", …" * (len(missing) > IDS_SHOWN))
        raise NotFound(
            f"{documents.corpus} has no document {shown}, so nothing was deleted.", id=missing[0]
        )
    return np.sort(np.array(list(found.values()), np.uint64))


def _commit(lake: Lake, corpus: str, docs: Array) -> None:
    def decide(snapshot: Table) -> Change | None:
        new = np.setdiff1d(docs, deleted_docs(snapshot))
        return Change(add=snapshot.write([tombstones(new)])) if len(new) else None

    Table.open_or_create(lake.deleted(corpus), DELETED_COLUMNS).commit(decide)
