"""Which states of a lake have names."""

from dataclasses import asdict

import pyarrow as pa

from saelake.store.lake.tags import list_tags
from saelake.store.requests.tags import TagsQuery
from saelake.store.snapshot.session import Session


def tags(session: Session, _: TagsQuery) -> pa.Table:
    """The tags, in the order in which they were made."""
    rows = [asdict(tag) for tag in list_tags(session.lake)]
    return pa.Table.from_pylist(rows, TagsQuery.answer)
