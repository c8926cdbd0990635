"""Which features of another dictionary do the same."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from saelake.store.requests.columns import LABEL
from saelake.store.requests.request import Request

MatchBy = Literal["activation", "jaccard", "decoder"]

MATCH = pa.schema(
    [
        pa.field("feature_a", pa.uint32()),
        pa.field("feature_b", pa.uint32()),
        pa.field("score", pa.float64()),
        pa.field("n_a", pa.uint64()),
        pa.field("n_b", pa.uint64()),
        pa.field("n_both", pa.uint64()),
        pa.field("label_a", LABEL),
        pa.field("label_b", LABEL),
    ]
)


@dataclass(frozen=True, kw_only=True)
class MatchQuery(Request, cost="analysis", answer=MATCH):
    """Which features of collection `b` do what features of collection `a` do, `k` for each.

    `activation`: Pearson correlation over the tokens of one corpus, encoded by two dictionaries.
    `jaccard`: tokens where both fire, of those where either does. `decoder`: cosine of decoder
    directions, for which nothing is read of the corpus: `a` and `b` may then be dictionaries.
    """

    a: str
    b: str
    features: tuple[int, ...] = ()
    where: str | None = None
    by: MatchBy = "activation"
    k: int = 1
