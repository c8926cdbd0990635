"""Groups of features that fire together."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import check_positive, check_share
from saelake.store.requests.request import Request

FAMILIES = pa.schema(
    [
        pa.field("family", pa.uint32()),
        pa.field("n_features", pa.uint32()),
        pa.field("n_pairs", pa.uint32()),
        pa.field("mean_npmi", pa.float64()),
        pa.field("features", pa.list_(pa.uint32())),
        pa.field("labels", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True, kw_only=True)
class FamiliesQuery(Request, cost="analysis", answer=FAMILIES):
    """Groups of features that fire in the same documents: parts of a graph of NPMI.

    `control` names columns, or `length`, the number of tokens: see `CorrelateQuery`.
    """

    collection: str
    where: str | None = None
    min_npmi: float = 0.6
    min_documents: int = 10
    max_coverage: float = 0.5
    k: int | None = 20
    control: tuple[str, ...] = ()

    def check(self) -> None:
        """See `Request`."""
        check_share("max_coverage", self.max_coverage)
        if not -1 <= self.min_npmi <= 1:
            raise InvalidInput(f"NPMI is from -1 to 1, so min_npmi cannot be {self.min_npmi}.")
        check_positive("min_documents", self.min_documents)
