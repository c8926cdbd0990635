"""Whether the tables of a lake agree."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.requests.request import Request

CHECKS = pa.schema(
    [
        pa.field("table", pa.string()),
        pa.field("check", pa.string()),
        pa.field("ok", pa.bool_()),
        pa.field("detail", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class VerifyQuery(Request, cost="export", answer=CHECKS):
    """Whether the tables of one collection, or of the whole lake, agree with each other."""

    collection: str | None = None
