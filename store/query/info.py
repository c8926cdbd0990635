"""What is in a lake."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.activations.table import ActivationsTable, find_store
from saelake.store.codes.held import TOKEN_COUNT_COLUMNS
from saelake.store.codes.table import CodesTable, Locations, locate
from saelake.store.documents.added import added_columns
from saelake.store.documents.documents import Documents
from saelake.store.documents.filters import DocumentMask
from saelake.store.errors import NotFound
from saelake.store.index.maps import DOCUMENTS, FEATURES
from saelake.store.lake.jobs import JobLog, JobRecord
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.info import JOB, InfoQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session
from saelake.store.tables.tables import Table

SCAN_ROWS = 4096


def info(session: Session, query: InfoQuery) -> pa.Table:
    """One row for each collection, and one for each corpus that has none.

    Of the corpora that are named, if any are. With each are the encode jobs that run over it and
    the last that ended, the latest first.
    """
    return pa.Table.from_pylist(list(_rows(session.lake, query.corpora)), schema=InfoQuery.answer)


def _rows(lake: Lake, only: Sequence[str]) -> Iterator[dict[str, Any]]:
    collections = lake.collections()
    jobs = JobLog(lake).jobs()
    for corpus in (name for name in lake.corpora() if not only or name in only):
        try:
            documents = Documents.open(lake, corpus)
        except NotFound:
            continue  # an import that has not finished
        row = {
            "corpus": corpus,
            "n_documents": documents.n_documents - documents.n_deleted,
            "n_skipped": documents.n_skipped,
            "n_deleted": documents.n_deleted,
            "size_bytes": documents.table.size_bytes,
            "columns": list(_columns(documents)),
        }
        described = [_described(lake, name) for name in collections if name.corpus == corpus]
        described = [columns for columns in described if columns]
        for columns in described or [{}]:
            yield {**row, **columns, "jobs": _jobs(jobs, corpus, columns.get("dictionary"))}


def _columns(documents: Documents) -> Iterator[dict[str, Any]]:
    added = added_columns(documents.table.schema)
    for field in documents.metadata_type:
        came = added.get(field.name)
        yield {
            "name": field.name,
            "type": str(field.type),
            "is_imported": came is None or came.is_imported,
            "changed": None if came is None else came.when,
            "about": None if came is None else came.about,
        }


def _jobs(jobs: Sequence[JobRecord], corpus: str, dictionary: str | None) -> list[dict[str, Any]]:
    """Those of a collection, or of a corpus that has none: all that run, and the last to end."""
    name = f"{corpus}/{dictionary}"
    ours = [j for j in jobs if (name in j.collections if dictionary else j.corpus == corpus)]
    ended = [job for job in ours if job.has_ended][:1]
    return [_told(job) for job in ours if not job.has_ended or job in ended]


def _told(job: JobRecord) -> dict[str, Any]:
    """What is told of a job here."""
    row = job.row()
    return {field.name: row[field.name] for field in JOB}


def _described(lake: Lake, name: CollectionName) -> dict[str, Any]:
    try:
        collection = Collection(lake, name)
    except NotFound:
        return {}  # an encode whose first shard has not finished
    settings, alive = collection.settings, collection.documents.alive
    amounts = _counts(collection.codes, alive)
    held = collection.codes.held
    n_done = _n_documents(collection.codes.locations, alive)
    n_unindexed = _n_documents(locate(collection.codes.table, collection.unindexed), alive)
    kept = find_store(lake, settings)
    tables = [collection.codes.table, collection.documents.table]
    tables += [kept.table] if kept else []
    tables += [collection.postings.table] if collection.postings else []
    return {
        "dictionary": name.dictionary,
        "n_encoded": n_done - amounts["n_failed"],
        **amounts,
        "n_indexed": n_done - n_unindexed,
        "n_segments": len(collection.segments),
        "is_outdated": collection.is_outdated,
        "maps": [of for of in (DOCUMENTS, FEATURES) if Table.find(lake.map(name, of))],
        "size_bytes": sum(table.size_bytes for table in tables),
        "d_sae": settings.d_sae,
        "architecture": settings.architecture,
        "model": settings.model,
        "hook": settings.hook,
        "values": settings.values,
        "tokens_from": settings.tokens_from,
        "sample_fraction": held.sample.fraction,
        "sample_seed": held.sample.seed if held.is_known and not held.are_all else None,
        "n_encodable": _n_encodable(collection, kept),
        "n_kept": 0 if kept is None else kept.n_tokens,
        "unit": settings.unit,
    }


def _n_encodable(collection: Collection, kept: ActivationsTable | None) -> int:
    """How many documents are encoded, or can be by the same encode: of kept activations, those
    that have some; of codes from elsewhere those that came.
    """
    documents = collection.documents
    if collection.settings.is_imported:
        return _n_documents(collection.codes.locations, documents.alive)
    if collection.settings.tokens_from is None:
        return documents.n_documents - documents.n_deleted
    reached = np.zeros(documents.n_documents, np.bool_)
    for locations in (collection.codes.locations, *([kept.locations] if kept else [])):
        for start, stop in locations.ranges():
            reached[start:stop] = True
    return int((reached if documents.alive is None else reached & documents.alive).sum())


def _n_documents(locations: Locations, alive: DocumentMask | None) -> int:
    if alive is None:
        return locations.n_documents
    return sum(int(alive[start:stop].sum()) for start, stop in locations.ranges())


def _counts(codes: CodesTable, alive: DocumentMask | None) -> dict[str, int]:
    """Tokens, those held, codes, and documents that failed; of documents that are not deleted."""
    amounts = dict.fromkeys(("n_tokens", "n_held", "n_codes", "n_failed"), 0)
    columns = (*TOKEN_COUNT_COLUMNS, "error", "counts")
    for batch in codes.scan(columns, batch_rows=SCAN_ROWS):
        kept = batch if alive is None else batch.filter(pa.array(alive[np.asarray(batch["doc"])]))
        amounts["n_tokens"] += len(kept["token_ids"].flatten())
        amounts["n_held"] += int(codes.token_counts(kept).sum())
        amounts["n_codes"] += pc.sum(kept["counts"].flatten()).as_py() or 0
        amounts["n_failed"] += kept.num_rows - kept["error"].null_count
    return amounts
