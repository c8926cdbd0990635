"""Features with near decoder directions."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.requests.request import Request

NEIGHBORS = pa.schema(
    [
        pa.field("feature", pa.uint32()),
        pa.field("cosine", pa.float32()),
        pa.field("label", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class NeighborsQuery(Request, cost="quick", answer=NEIGHBORS):
    """The features of a dictionary whose decoder directions are nearest to that of a feature."""

    dictionary: str
    feature: int
    k: int = 10
