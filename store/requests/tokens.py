"""Which tokens fire a feature, or an expression of features."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.requests.columns import METADATA, TOKEN
from saelake.store.requests.request import Request

Per = Literal["document", "token"]
Order = Literal["top", "quantiles"]


@dataclass(frozen=True, kw_only=True)
class TokensQuery(Request, cost="quick", answer=pa.schema([*TOKEN, METADATA])):
    """Which tokens fire a feature (or an expression of features).

    `expression` is a feature number or an expression such as `12 & 34 & !56` or `12 > 3.0`; of a
    signed dictionary `12` is both poles of the feature, `-12` and `12 < -3.0` the negative one;
    `scope` says where its features must meet: `token`, `document` or `window:N` (within N tokens
    of each other). `per` gives each document's best token, or every token by itself. `order`
    `top` is strongest first; `quantiles` takes `k` hits evenly spaced from the strongest to the
    weakest. `k` None is all. `context` is the number of characters shown on each side.
    """

    collection: str
    expression: str
    k: int | None = 20
    per: Per = "document"
    where: str | None = None
    order: Order = "top"
    scope: str = "token"
    context: int = 60

    def check(self) -> None:
        """See `Request`."""
        if self.order == "quantiles" and self.k is None:
            raise InvalidInput("order='quantiles' needs k, the number of hits to spread out.")
        if self.context < 0:
            raise InvalidInput(f"context must be 0 or more characters, not {self.context}.")
