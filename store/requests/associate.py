"""Which features go with metadata."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import Pooling
from saelake.store.requests.request import Request

ASSOCIATE = pa.schema(
    [
        pa.field("feature", pa.uint32()),
        pa.field("effect", pa.float64()),
        pa.field("p_value", pa.float64()),
        pa.field("q_value", pa.float64()),
        pa.field("n_documents", pa.uint64()),
        pa.field("label", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class AssociateQuery(Request, cost="analysis", answer=ASSOCIATE):
    """Which features go with a metadata column: two classes, numbers, or two coordinates."""

    collection: str
    columns: tuple[str, ...]
    where: str | None = None
    pooling: Pooling = "max"
    min_documents: int = 5
    k: int | None = 20

    def check(self) -> None:
        """See `Request`."""
        if len(self.columns) not in (1, 2):
            raise InvalidInput("Name one column, or the two columns of a coordinate.")
