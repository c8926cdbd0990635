"""Where the tokens of some documents are in their texts."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from saelake.store.format.lists import Array, Lists
from saelake.store.format.schema import MAX_PART_TOKENS, Unit

CHARACTERS = ("token_starts", "token_lengths")
UNIT_CHARACTERS = 300  # of a span or document, as much of it is shown


def within(starts: Array, lengths: Array, n_characters: Array | int) -> Array:
    """The lengths of tokens that begin there, none of which ends after its text, int64.

    A unit that is a document says that it is as long as can be, not how long that is.
    """
    left = np.maximum(n_characters - starts.astype(np.int64), 0)
    return np.minimum(lengths.astype(np.int64), left)


def shown(lengths: Array, unit: Unit) -> Array:
    """How many characters of each are shown: of tokens all, of other units the first."""
    return lengths if unit == "token" else np.minimum(lengths, UNIT_CHARACTERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Characters:
    """The tokens of rows of codes, of which `index` (int64, ascending) says the document."""

    index: Array
    starts: Lists
    lengths: Lists

    @classmethod
    def of(cls, index: Array, rows: pa.Table) -> Self:
        """Those of rows with the columns `CHARACTERS`; a document's parts are in order."""
        starts, lengths = (Lists.of(rows[name]) for name in CHARACTERS)
        return cls(index=index, starts=starts, lengths=lengths)

    def at(self, index: Array, position: Array) -> tuple[Array, Array]:
        """Starts and lengths, int64, of tokens at these positions of these documents.

        Raises `IndexError` where a row does not have so many tokens.
        """
        row = self.index.searchsorted(index) + position // MAX_PART_TOKENS
        at = self.starts.offsets[row] + position % MAX_PART_TOKENS
        if (at >= self.starts.offsets[row + 1]).any():
            raise IndexError("a row of codes has fewer tokens")
        return self.starts.values[at].astype("i8"), self.lengths.values[at].astype("i8")
