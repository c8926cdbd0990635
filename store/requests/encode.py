"""What a collection's dictionary makes of texts that nobody stored."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.requests.request import Request

MOST_TEXTS = 64
MOST_CHARACTERS = 1 << 16  # of all texts together: some 16,000 tokens, seconds of a small model

ENCODED = pa.schema(
    [
        pa.field("text", pa.uint32()),  # which of the texts, from 0
        pa.field("position", pa.uint32()),
        pa.field("token_id", pa.uint32()),
        pa.field("token", pa.string()),
        pa.field("token_start", pa.uint32()),  # in characters of the text
        pa.field("token_length", pa.uint32()),
        pa.field("features", pa.list_(pa.uint32())),
        pa.field("values", pa.list_(pa.float32())),
        pa.field("labels", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True, kw_only=True)
class EncodeQuery(Request, cost="quick", answer=ENCODED):
    """The tokens of texts, and on each the `k` strongest features, as an encode would store them.

    The texts are read as the collection's documents were: by the same model, hook point, dictionary
    and windows. `features` keeps only these (None: all); `k` None is all that fire. A token on
    which nothing fires is there with no features. At most 64 texts, of 65,536 characters together.
    """

    collection: str
    texts: tuple[str, ...]
    k: int | None = 10
    features: tuple[int, ...] | None = None

    @property
    def tells(self) -> bool:
        """Whether who listens is told: where a model reads a text, which it does in turns."""
        return True

    def check(self) -> None:
        """See `Request`."""
        if not self.texts:
            raise InvalidInput("There is no text to encode: give one or several.")
        if len(self.texts) > MOST_TEXTS:
            raise InvalidInput(
                f"At most {MOST_TEXTS} texts are encoded at once, not {len(self.texts)}. Ask "
                "several times, or import them into a corpus."
            )
        n_characters = sum(map(len, self.texts))
        if n_characters > MOST_CHARACTERS:
            raise InvalidInput(
                f"At most {MOST_CHARACTERS:,} characters are encoded at once, not "
                f"{n_characters:,}. Ask several times, or import the texts into a corpus."
            )
