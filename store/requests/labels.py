"""What features are called."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.requests.request import Request

LABELS = pa.schema(
    [
        pa.field("feature", pa.uint32()),
        pa.field("label", pa.string()),
        pa.field("explainer", pa.string()),
        pa.field("score", pa.float32()),
        pa.field("similarity", pa.float32()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class LabelsQuery(Request, cost="quick", answer=LABELS):
    """What a dictionary's features are called: `features`, the `k` nearest a text, or the first."""

    dictionary: str
    text: str | None = None
    features: tuple[int, ...] = ()
    k: int | None = 20

    def check(self) -> None:
        """See `Request`."""
        if self.text is not None and self.features:
            raise InvalidInput("Give either a text or features, not both.")
        if self.text is not None and not self.text.strip():
            raise InvalidInput("The text to look for is empty.")
