"""Where documents, or features, lie on the map of a collection."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.predicates.polygon import Polygon
from saelake.store.requests.request import Request

MapOf = Literal["documents", "features"]

MAP = pa.schema(
    [
        pa.field("row", pa.uint64()),
        pa.field("id", pa.string()),
        pa.field("x", pa.float32()),
        pa.field("y", pa.float32()),
        pa.field("cluster", pa.uint32()),
        pa.field("value", pa.float64()),
        pa.field("category", pa.string()),
        pa.field("text", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class MapQuery(Request, cost="analysis", answer=MAP):
    """The points of a map: of `k` documents or features, drawn by `seed` where there are more.

    `where` keeps documents, also by areas of the map: `within_map('0 0, 0.5 0, 0.5 0.5')`; `inside`
    is such an area, of features too; and `rows` are documents or features by number. A document's
    `value` or `category` is that of the metadata `column`, or the sum of the values of `features`;
    a feature's `value` is in how many documents it fires. Without `texts` there are no ids, no
    beginnings of documents and no labels.
    """

    collection: str
    of: MapOf = "documents"
    where: str | None = None
    inside: str | None = None
    rows: tuple[int, ...] = ()
    column: str | None = None
    features: tuple[int, ...] = ()
    k: int | None = 10_000
    seed: int = 0
    texts: bool = True

    def check(self) -> None:
        """See `Request`."""
        if self.inside is not None:
            Polygon.parse(self.inside)
        if self.column is not None and self.features:
            raise InvalidInput("Give either a column or features, whose values points have.")
        if self.of == "features" and (self.where or self.column or self.features):
            raise InvalidInput(
                "where, column and features are of documents: leave them out of a map of features."
            )
        if self.seed < 0:
            raise InvalidInput(f"The seed is at least 0, not {self.seed}.")
