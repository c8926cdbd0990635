"""The documents of a corpus, whole or a sample."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.format.schema import check_name
from saelake.store.requests.columns import METADATA
from saelake.store.requests.request import Request

TEXTS = pa.schema(
    [
        pa.field("doc", pa.uint64()),
        pa.field("id", pa.string()),
        pa.field("text", pa.string()),
        METADATA,
    ]
)


@dataclass(frozen=True, kw_only=True)
class TextsQuery(Request, cost="export", answer=TEXTS):
    """The documents of a corpus that `where` keeps, encoded or not, or a `sample` of so many.

    A sample is drawn by a hash of the seed and the document's number: of one seed it is always the
    same documents, and a smaller one is within a larger.
    """

    corpus: str
    where: str | None = None
    sample: int | None = None
    seed: int = 0

    def check(self) -> None:
        """See `Request`."""
        check_name("corpus", self.corpus)
        if self.sample is not None and self.sample < 1:
            raise InvalidInput(f"A sample has one document or more, not {self.sample}.")
        if not 0 <= self.seed < 2**63:
            raise InvalidInput(f"A seed is a number from 0 to 2^63 - 1, not {self.seed}.")
