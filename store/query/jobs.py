"""What runs, or ran, over a lake."""

import pyarrow as pa

from saelake.store.lake.jobs import JobLog
from saelake.store.requests.jobs import JobsQuery
from saelake.store.snapshot.session import Session


def jobs(session: Session, query: JobsQuery) -> pa.Table:
    """The jobs, the latest first; of those that ended only the last are known.

    Raises `NotFound` for an id that no job has.
    """
    log = JobLog(session.lake)
    found = log.jobs() if query.id is None else [log.open(query.id)]
    rows = [job.row() for job in found if not query.corpora or job.corpus in query.corpora]
    return pa.Table.from_pylist(rows, JobsQuery.answer)
