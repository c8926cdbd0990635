"""How often a feature fires in the documents of each value of a column."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from saelake.store.requests.checks import check_bins, check_inside
from saelake.store.requests.request import Request

ShareOrder = Literal["documents", "share", "value"]

SHARES = pa.schema(
    [
        pa.field("value", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("n_documents", pa.uint64()),
        pa.field("n_firing", pa.uint64()),
        pa.field("share", pa.float64()),
        pa.field("ci_low", pa.float64()),
        pa.field("ci_high", pa.float64()),
        pa.field("lift", pa.float64()),
        pa.field("n_values", pa.uint64()),
        pa.field("low", pa.string()),
        pa.field("high", pa.string()),
        pa.field("where", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class SharesQuery(Request, cost="quick", answer=SHARES):
    """In which share of the documents of each value of a column a feature fires.

    `expression` is a feature number or an expression such as `12 & !34` or `12 > 3.0`, which holds
    anywhere in a document; of a signed dictionary `12` is both poles, `-12` the negative one. `by`
    names the column. A row is a value; of numbers and times with more than 20 values (or than
    `bins`, where that is given) a bin between quantiles, about 10 (or `bins`) of them, of which
    none parts documents of one value. The `k` values with the most documents are shown, and the
    others as one row; documents without a value, and those with NaN, are rows of their own.

    `order` is `documents`: most first, but bins by what is in them; `share`: the largest first; or
    `value`. Intervals of each share have the confidence `level`. The unit is the document: where
    documents depend on one another, as those of one author do, intervals are too narrow.
    """

    collection: str
    expression: str
    by: str
    where: str | None = None
    k: int | None = 20
    bins: int | None = None
    order: ShareOrder = "documents"
    level: float = 0.95

    def check(self) -> None:
        """See `Request`."""
        check_inside("level", self.level)
        check_bins(self.bins)
