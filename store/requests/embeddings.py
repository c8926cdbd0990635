"""The SAE embeddings of a selection."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.requests.checks import Pooling
from saelake.store.requests.request import Request

EMBEDDINGS = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("doc", pa.uint64()),
        pa.field("features", pa.list_(pa.uint32())),
        pa.field("max", pa.list_(pa.float32())),
    ]
)


@dataclass(frozen=True, kw_only=True)
class EmbeddingsQuery(Request, cost="export", answer=EMBEDDINGS):
    """The SAE embeddings of a collection, or of the documents that `where` keeps."""

    collection: str
    where: str | None = None
    pooling: Pooling = "max"
