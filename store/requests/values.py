"""Which values a metadata column has, and how many documents have each."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from saelake.store.requests.checks import check_bins
from saelake.store.requests.request import Request

ValueOrder = Literal["documents", "value"]

VALUES = pa.schema(
    [
        pa.field("value", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("n_documents", pa.uint64()),
        pa.field("share", pa.float64()),
        pa.field("n_values", pa.uint64()),
        pa.field("low", pa.string()),
        pa.field("high", pa.string()),
        pa.field("where", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class ValuesQuery(Request, cost="quick", answer=VALUES):
    """The values of a metadata column in a selection, with how many documents have each.

    Counted are the documents that are selected and have codes, the same that `shares` counts: a
    note says how many others there are. `by` names the column. A row is a value; of numbers and
    times with more than 20 values (or than `bins`, where that is given) a bin between quantiles,
    about 10 (or `bins`) of them, of which none parts documents of one value. The `k` values with
    the most documents are shown, and the others as one row; documents without a value, and those
    with NaN, are rows of their own. `where` of a row is the filter that keeps its documents.

    `order` is `documents`: most first, but bins by what is in them; or `value`.
    """

    collection: str
    by: str
    where: str | None = None
    k: int | None = 20
    bins: int | None = None
    order: ValueOrder = "documents"

    def check(self) -> None:
        """See `Request`."""
        check_bins(self.bins)
