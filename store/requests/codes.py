"""Every code of a selection."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.requests.request import Request

CODES = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("doc", pa.uint64()),
        pa.field("position", pa.uint32()),
        pa.field("token_id", pa.uint32()),
        pa.field("feature", pa.uint32()),
        pa.field("value", pa.float32()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class CodesQuery(Request, cost="export", answer=CODES):
    """Every code of a collection, or of the documents that `where` keeps."""

    collection: str
    where: str | None = None
