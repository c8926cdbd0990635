"""Which features go with metadata."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import Pooling, check_inside
from saelake.store.requests.request import Request

ASSOCIATE = pa.schema(
    [
        pa.field("feature", pa.uint32()),
        pa.field("effect", pa.float64()),
        pa.field("p_value", pa.float64()),
        pa.field("q_value", pa.float64()),
        pa.field("n_documents", pa.uint64()),
        pa.field("label", pa.string()),
        pa.field("category", pa.string()),
        pa.field("ci_low", pa.float64()),
        pa.field("ci_high", pa.float64()),
        pa.field("confirmed_effect", pa.float64()),
        pa.field("confirmed_p_value", pa.float64()),
        pa.field("confirmed_q_value", pa.float64()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class AssociateQuery(Request, cost="analysis", answer=ASSOCIATE):
    """Which features go with a metadata column: classes, numbers, or two coordinates.

    Of more classes than two a feature has the one that it tells best from the rest, its `category`,
    and the p-value is corrected for that choice. `control` names columns, or `length`, the number
    of tokens: documents are compared with those that are alike in these. `cluster_by` names a
    column, as the author: documents of one value may depend on one another, and the test is of
    values; a document without a value there is a unit of its own. One without a value in the
    columns, or in `control`, is left out, and counted in a note. Intervals of the effect have the
    confidence `level`. With `confirm` the share `confirm_share` of the documents is held back, and
    features that go with the column in the others at q < .05 are tested again in it. Places have no
    control, no clusters and no intervals.
    """

    collection: str
    columns: tuple[str, ...]
    where: str | None = None
    pooling: Pooling = "max"
    min_documents: int = 5
    k: int | None = 20
    control: tuple[str, ...] = ()
    cluster_by: str | None = None
    level: float = 0.95
    confirm: bool = False
    confirm_share: float = 0.5

    def check(self) -> None:
        """See `Request`."""
        if len(self.columns) not in (1, 2):
            raise InvalidInput("Name one column, or the two columns of a coordinate.")
        if len(set(self.columns)) < len(self.columns):
            raise InvalidInput(
                f"{self.columns[0]} is named twice: name it once, or the other coordinate.",
                column=self.columns[0],
            )
        check_inside("level", self.level)
        check_inside("confirm_share", self.confirm_share)
        if len(self.columns) == 2 and (self.control or self.cluster_by is not None):
            raise InvalidInput(
                "Moran's I of two coordinates has no control and no clusters: leave out control "
                "and cluster_by, or name one column."
            )
        if twice := set(self.columns) & {*self.control, self.cluster_by}:
            raise InvalidInput(
                f"{min(twice)} is the column itself: nothing is left of it to control for or to "
                "cluster by.",
                column=min(twice),
            )
