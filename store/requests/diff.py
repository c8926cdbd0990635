"""How two selections differ."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import Selection, check_inside, check_share
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
        pa.field("ci_low", pa.float64()),
        pa.field("ci_high", pa.float64()),
        pa.field("raw_frequency_a", pa.float64()),
        pa.field("raw_frequency_b", pa.float64()),
        pa.field("confirmed_difference", pa.float64()),
        pa.field("confirmed_p_value", pa.float64()),
        pa.field("confirmed_q_value", pa.float64()),
        pa.field("against", pa.string()),
        pa.field("label", pa.string()),
        pa.field("example_a", EXAMPLE),
        pa.field("example_b", EXAMPLE),
    ]
)


@dataclass(frozen=True, kw_only=True)
class DiffQuery(Request, cost="analysis", answer=DIFF):
    """How often each feature fires in selection `a`, against the `others`.

    A feature fires in a document (or token) where its largest value is above `threshold`. The
    frequency of tokens is tested with documents as units, whose tokens depend on one another; with
    `cluster_by`, a column of metadata as the author, documents of one value are one unit.

    Against several others, each feature is compared with that one of them in which it is most
    frequent (with `align` or `control` most frequent compared with a: the one of the smallest
    a - b), and p-values are corrected for that choice; `against` says which it is. Features are
    left out where the smaller frequency is under `min_coverage`, or the larger above
    `max_coverage`.

    `align` names a metadata column: documents are compared with those that have the same value in
    it, all of them, and each value counts alike. `control` names what is to be alike on both sides:
    columns of metadata, and `length`, the number of tokens: frequencies are compared within strata
    of these. Intervals of the difference have the confidence `level`. With `confirm` the share
    `confirm_share` of the documents is held back, and features that differ in the others at q < .05
    are tested again in it.

    Tests are two-sided. Those that are exact have mid-p-values: half of the chance of what was
    found counts; and where what may happen is not symmetric a p-value is twice the smaller tail. A
    document without a value in `cluster_by` is a unit of its own; one without a value in `align` or
    `control` is left out, and counted in a note.
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
    cluster_by: str | None = None
    control: tuple[str, ...] = ()
    level: float = 0.95
    confirm: bool = False
    confirm_share: float = 0.5

    def check(self) -> None:
        """See `Request`."""
        check_share("min_coverage", self.min_coverage)
        check_share("max_coverage", self.max_coverage)
        check_inside("level", self.level)
        check_inside("confirm_share", self.confirm_share)
        if not self.others:
            raise InvalidInput("A diff needs something to compare with: give a second selection.")
        if self.align is not None and self.unit != "document":
            raise InvalidInput("Documents are aligned, not tokens: leave out align, or the unit.")
        if self.cluster_by is not None and self.align is not None:
            raise InvalidInput(
                "Documents with one value in the column of align are one unit already: leave out "
                "cluster_by."
            )
        if self.cluster_by is not None and self.control:
            raise InvalidInput(
                "Clusters are compared as wholes, and control compares documents: leave out "
                "cluster_by or control."
            )
        if len(set(self.control)) < len(self.control):
            raise InvalidInput(f"control names a column twice: {', '.join(self.control)}.")
