"""Tokens around places, and how strongly a feature fires at each."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import check_positive
from saelake.store.requests.request import Request

MOST_PLACES = 10_000
MOST_TOKENS = 4096  # of a window

WINDOWS = pa.schema(
    [
        pa.field("place", pa.uint32()),
        pa.field("doc", pa.uint64()),
        pa.field("id", pa.string()),
        pa.field("start", pa.uint32()),
        pa.field("text", pa.string()),
        pa.field("token_starts", pa.list_(pa.uint32())),  # in characters of `text`
        pa.field("token_lengths", pa.list_(pa.uint16())),
        pa.field("values", pa.list_(pa.float32())),
    ]
)


@dataclass(frozen=True, kw_only=True)
class WindowsQuery(Request, cost="quick", answer=WINDOWS):
    """The tokens around places, and the value of a feature at each: 0 where it does not fire.

    Place i is the token at `positions[i]` of document `docs[i]`; one beyond the end is the last
    token. A window has `n_tokens` tokens, the place at three quarters of them, moved where the
    document begins or ends, and all of a shorter document. Places in documents that have no tokens
    have no row. With `place_features` place i has the values of `place_features[i]`; so the windows
    of many features are one question, which looks at each document once.
    """

    collection: str
    feature: int
    docs: tuple[int, ...]
    positions: tuple[int, ...]
    n_tokens: int = 32
    place_features: tuple[int, ...] = ()

    def check(self) -> None:
        """See `Request`."""
        check_positive("n_tokens", self.n_tokens)
        if self.n_tokens > MOST_TOKENS:
            raise InvalidInput(f"A window has at most {MOST_TOKENS:,} tokens, not {self.n_tokens}.")
        if len(self.docs) != len(self.positions):
            raise InvalidInput(
                f"Each place is a document and a position: {len(self.docs)} documents and "
                f"{len(self.positions)} positions are no places."
            )
        if not 0 < len(self.docs) <= MOST_PLACES:
            raise InvalidInput(
                f"Ask for 1 to {MOST_PLACES:,} places at once, not {len(self.docs):,}."
            )
        if self.place_features and len(self.place_features) != len(self.docs):
            raise InvalidInput(
                f"Name one feature for all places or one for each: {len(self.place_features)} "
                f"features are not those of {len(self.docs)} places."
            )
        if min(*self.docs, *self.positions) < 0:
            raise InvalidInput("Documents and positions are numbered from 0.")
