"""How features behave over a collection."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.format.schema import FEATURES_COLUMNS
from saelake.store.requests.request import Request

FEATURES = pa.schema(
    [
        *FEATURES_COLUMNS,
        pa.field("label", pa.string()),
        pa.field("label_corpus", pa.string()),
        pa.field("label_coverage", pa.float32()),
        pa.field("label_score", pa.float32()),
        pa.field("label_score_kind", pa.string()),
    ]
)

FeatureOrder = Literal["documents", "tokens", "max", "mean", "feature"]


@dataclass(frozen=True, kw_only=True)
class FeaturesQuery(Request, cost="quick", answer=FEATURES):
    """Statistics of features: those numbered in `features`, or the first `k` by `order`.

    `token` keeps the features that have this text among their top tokens (case ignored, white
    space trimmed), those on which most of their strongest documents peak first; `name` those that
    have it as a label of some explainer, or as the name that they came with. With each is its
    label, and of which corpus it was made; its coverage and score are those of `LabelsQuery`.
    """

    collection: str
    features: tuple[int, ...] | None = None
    token: str | None = None
    name: str | None = None
    k: int | None = 20
    order: FeatureOrder = "documents"

    def check(self) -> None:
        """See `Request`."""
        if self.features is not None and self.token is not None:
            raise InvalidInput("Give either features or a token, not both.")
        if self.name is not None and (self.features is not None or self.token is not None):
            raise InvalidInput("Give a name alone, without features and a token.")
