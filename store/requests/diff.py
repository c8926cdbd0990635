"""How two selections differ."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import Selection, check_share
from saelake.store.requests.columns import TOKEN
from saelake.store.requests.request import Request

Unit = Literal["document", "token"]
DiffOrder = Literal["difference", "relative", "log_odds"]

EXAMPLE = pa.struct(TOKEN)

DIFF = pa.schema(
    [
        pa.field("feature", pa.uint32()),
        pa.field("frequency_a", pa.float64()),
        pa.field("frequency_b", pa.float64()),
        pa.field("difference", pa.float64()),
        pa.field("relative", pa.float64()),
        pa.field("log_odds", pa.float64()),
        pa.field("p_value", pa.float64()),
        pa.field("q_value", pa.float64()),
        pa.field("against", pa.string()),
        pa.field("label", pa.string()),
        pa.field("example_a", EXAMPLE),
        pa.field("example_b", EXAMPLE),
    ]
)


@dataclass(frozen=True, kw_only=True)
class DiffQuery(Request, cost="analysis", answer=DIFF):
    """How often each feature fires in selection `a`, against the `others`.

    A feature fires in a document (or token) where its largest value is above `threshold`.
    Against several others, each feature is compared with that one of them in which it is most
    frequent. Features are left out where the smaller frequency is under `min_coverage`, or the
    larger above `max_coverage`. `align` names a metadata column: documents that have the same
    value in it are compared in pairs.
    """

    a: Selection
    others: tuple[Selection, ...]
    unit: Unit = "document"
    threshold: float = 0.0
    min_coverage: float = 0.0
    max_coverage: float = 1.0
    order: DiffOrder = "difference"
    k: int | None = 20
    align: str | None = None
    examples: bool = True

    def check(self) -> None:
        """See `Request`."""
        check_share("min_coverage", self.min_coverage)
        check_share("max_coverage", self.max_coverage)
        if not self.others:
            raise InvalidInput("A diff needs something to compare with: give a second selection.")
        if self.align is not None and (self.unit != "document" or len(self.others) > 1):
            raise InvalidInput("Pairs are of documents, and of two selections: leave out align.")
