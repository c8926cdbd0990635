"""What features are called."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import check_share
from saelake.store.requests.request import Request

LABELS = pa.schema(
    [
        pa.field("feature", pa.uint32()),
        pa.field("label", pa.string()),
        pa.field("explainer", pa.string()),
        pa.field("score", pa.float32()),
        pa.field("similarity", pa.float32()),
        pa.field("corpus", pa.string()),
        pa.field("coverage", pa.float32()),
        pa.field("score_low", pa.float32()),
        pa.field("score_high", pa.float32()),
        pa.field("n_positive", pa.uint32()),
        pa.field("n_negative", pa.uint32()),
        pa.field("scored_on", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class LabelsQuery(Request, cost="quick", answer=LABELS):
    """What a dictionary's features are called: `features`, the `k` nearest a text, or the first.

    `dictionary` may be a collection, `corpus/dictionary`: then labels made from its corpus go
    before those made from others. `min_score` leaves out labels with a smaller score, or none.
    """

    dictionary: str
    text: str | None = None
    features: tuple[int, ...] = ()
    k: int | None = 20
    min_score: float | None = None

    def check(self) -> None:
        """See `Request`."""
        check_share("min_score", self.min_score)
        if self.text is not None and self.features:
            raise InvalidInput("Give either a text or features, not both.")
        if self.text is not None and not self.text.strip():
            raise InvalidInput("The text to look for is empty.")
