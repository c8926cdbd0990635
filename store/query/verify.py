"""Whether the tables of a lake agree with each other."""

from collections.abc import Iterator

import pyarrow as pa

from saelake.store.health.verify import verify as checked
from saelake.store.lake.lake import CollectionName
from saelake.store.requests.verify import VerifyQuery
from saelake.store.snapshot.session import Session
from saelake.store.tables.mirrors import unmirrored


def verify(session: Session, query: VerifyQuery) -> pa.RecordBatchReader:
    """A row for each check of one collection, or of the whole lake; reads all data."""
    only = None if query.collection is None else CollectionName.parse(query.collection)
    checks = checked(session.lake, only)
    return pa.RecordBatchReader.from_batches(checks.schema, _looked_at(checks))


def _looked_at(checks: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The checks, made of what is stored, and not of copies on a disk of this machine."""
    with unmirrored():
        yield from checks
