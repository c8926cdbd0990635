"""Whether the tables of a lake agree with each other."""

import pyarrow as pa

from saelake.store.health.verify import verify as checked
from saelake.store.lake.lake import CollectionName
from saelake.store.requests.verify import VerifyQuery
from saelake.store.snapshot.session import Session


def verify(session: Session, query: VerifyQuery) -> pa.RecordBatchReader:
    """A row for each check of one collection, or of the whole lake; reads all data."""
    only = None if query.collection is None else CollectionName.parse(query.collection)
    return checked(session.lake, only)
