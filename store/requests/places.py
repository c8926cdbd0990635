"""Where several features fire."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.requests.request import Request
from saelake.store.requests.tokens import Order

MOST_FEATURES = 1024

PLACES = pa.schema(
    [
        pa.field("feature", pa.uint32()),
        pa.field("doc", pa.uint64()),
        pa.field("id", pa.string()),
        pa.field("position", pa.uint32()),
        pa.field("value", pa.float32()),
        pa.field("token", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class PlacesQuery(Request, cost="quick", answer=PLACES):
    """Where each of these features fires: the best tokens of up to `k` documents of each.

    They are those that `TokensQuery` gives of a feature by itself, without the text around them:
    by `order` the strongest, or `k` evenly spaced from the strongest to the weakest. Features are
    in the order asked for, each once; of a signed dictionary each pole is one of its own.
    `windows` shows the tokens around places.
    """

    collection: str
    features: tuple[int, ...]
    k: int = 20
    where: str | None = None
    order: Order = "top"

    def check(self) -> None:
        """See `Request`."""
        if not 0 < len(self.features) <= MOST_FEATURES:
            raise InvalidInput(
                f"Ask for the places of 1 to {MOST_FEATURES:,} features at once, not of "
                f"{len(self.features):,}."
            )
