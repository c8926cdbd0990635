"""Documents of a pool that are like others."""

from dataclasses import dataclass

from saelake.store.requests.checks import Pooling, Selection
from saelake.store.requests.columns import FOUND
from saelake.store.requests.request import Request


@dataclass(frozen=True, kw_only=True)
class SelectQuery(Request, cost="analysis", answer=FOUND):
    """The documents of `pool` nearest, in SAE space, to the documents of `target`."""

    pool: Selection
    target: Selection
    k: int | None = 10
    pooling: Pooling = "max"
    idf: bool = True
