"""Windows as a collection answers them, of which token windows are made: only of those wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from saelake.explaining.choosing import TokenPlace
from saelake.explaining.windows import TokenWindow
from saelake.store.format.lists import Array, Lists


@dataclass(frozen=True, slots=True, kw_only=True)
class CutWindows:
    """The rows of an answer to `windows`: lists of one length, and of one a token.

    Window i has the tokens from `offsets[i]` on, before `offsets[i + 1]`. Each token ends at a
    character of the window's text, `ends`, where the next one begins.
    """

    places: Sequence[int]
    docs: Sequence[int]
    ids: Sequence[str]
    starts: Sequence[int]
    texts: Sequence[str]
    offsets: Sequence[int]
    ends: Sequence[int]
    strengths: Sequence[float]
    fires: Sequence[bool]

    @classmethod
    def of(cls, rows: pa.Table) -> Self:
        """Those of an answer."""
        begins, lengths, values = (
            Lists.of(rows[name]) for name in ("token_starts", "token_lengths", "values")
        )
        strengths = np.abs(values.values)
        return cls(
            places=rows["place"].to_pylist(),
            docs=rows["doc"].to_pylist(),
            ids=rows["id"].to_pylist(),
            starts=rows["start"].to_pylist(),
            texts=rows["text"].to_pylist(),
            offsets=values.offsets.tolist(),
            ends=_ends(begins, lengths).tolist(),
            strengths=strengths.tolist(),
            fires=_any(strengths > 0, values.offsets).tolist(),
        )

    def window(self, row: int, place: TokenPlace) -> TokenWindow:
        """The window of a row, which is that of a place."""
        span = slice(self.offsets[row], self.offsets[row + 1])
        text, ends = self.texts[row], self.ends[span]
        return TokenWindow(
            doc=self.docs[row],
            id=self.ids[row],
            begin=self.starts[row],
            tokens=tuple([text[a:b] for a, b in zip((0, *ends[:-1]), ends, strict=True)]),
            strengths=tuple(self.strengths[span]),
            peak=min(place.position - self.starts[row], len(ends) - 1),
            origin=place.origin,
            interval=place.interval,
            beside=place.beside,
        )


def _ends(begins: Lists, lengths: Lists) -> Array:
    """Where each token ends, int64: never before one that is before it in its window."""
    ends = begins.values.astype(np.int64) + lengths.values
    above = begins.rows * (int(ends.max(initial=0)) + 1)  # so that no window reaches the next
    found: Array = np.maximum.accumulate(ends + above) - above
    return found


def _any(is_so: Array, offsets: Array) -> Array:
    """Whether it is so of any token of each window, bool; none is without tokens."""
    counted = np.append(0, np.cumsum(is_so))
    found: Array = counted[offsets[1:]] > counted[offsets[:-1]]
    return found
