"""One document with its codes."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.requests.columns import METADATA
from saelake.store.requests.request import Request

_LISTS = {
    "token_ids": pa.uint32(),
    "token_starts": pa.uint32(),
    "token_lengths": pa.uint16(),
    "features": pa.uint32(),
    "max": pa.float32(),
    "counts": pa.uint32(),
    "positions": pa.uint32(),
    "values": pa.float32(),
}
DOCUMENT = pa.schema(
    [
        pa.field("doc", pa.uint64()),
        pa.field("id", pa.string()),
        pa.field("text", pa.string()),
        METADATA,
        pa.field("error", pa.string()),
        *(pa.field(name, pa.list_(kind)) for name, kind in _LISTS.items()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class DocumentQuery(Request, cost="quick", answer=DOCUMENT):
    """One document with its codes, found by the user's `id` or by `doc` number.

    `features` keeps only the activations of these features (None: all).
    """

    collection: str
    id: str | None = None
    doc: int | None = None
    features: tuple[int, ...] | None = None

    def check(self) -> None:
        """See `Request`."""
        if (self.id is None) == (self.doc is None):
            raise InvalidInput("Name a document by its id or by its doc number, one of the two.")
        if self.doc is not None and self.doc < 0:
            raise InvalidInput(f"Documents are numbered from 0, so {self.doc} is none.")
