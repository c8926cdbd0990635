"""Which states of a lake have names."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.requests.request import Request

TAGS = pa.schema(
    [
        pa.field("name", pa.string()),
        pa.field("created", pa.timestamp("us", "UTC")),
        pa.field("n_tables", pa.uint32()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class TagsQuery(Request, cost="quick", answer=TAGS):
    """The tags of the lake, the oldest first."""
