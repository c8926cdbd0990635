"""What features are called."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.format.provenance import MADE, SCORE, ScoreKind
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
        pa.field("score_kind", pa.string()),
        pa.field("scores", pa.list_(SCORE)),
        pa.field("made", MADE),
        pa.field("until", pa.timestamp("us", "UTC")),
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
    explainers: tuple[str, ...] = ()
    every_explainer: bool = False
    score: ScoreKind | None = None
    history: bool = False

    def check(self) -> None:
        """See `Request`."""
        check_share("min_score", self.min_score)
        if self.text is not None and self.features:
            raise InvalidInput("Give either a text or features, not both.")
        if self.text is not None and not self.text.strip():
            raise InvalidInput("The text to look for is empty.")
        if self.every_explainer and self.explainers:
            raise InvalidInput("Give explainers or every_explainer, not both.")
        if self.history and self.text is not None:
            raise InvalidInput("What was said before is near no text: ask for it by features.")

    @property
    def is_of_several(self) -> bool:
        """Whether a feature may have several labels in the answer."""
        return self.every_explainer or self.history or len(self.explainers) > 1
