"""A tier of a feature as bytes: what it has besides the list of the first tier.

Little-endian: the number of bands as uint32 (or nothing at all, of an empty tier), then six uint32
for each band, `_HEADER`, then the bands, each of three sections of so many bytes (see
`arrays.bits`). A band has stronger postings than the next; in each, documents ascend. The first and
the second tier have one band, of the first only the other tokens are here. The last tier's are
four times as long as all before, so that of a long list the strongest are unpacked alone.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.format.lists import Array
from saelake.store.index.others import MOST_OTHERS, NONE_LEFT, Others

_HEADER = ("n", "n_others", "least", "postings", "others", "characters")
HEADER_BYTES = 4 * len(_HEADER)


@dataclass(frozen=True, slots=True)
class Band:
    """Some postings of a feature, packed: `n` of them, from byte `at` of `data` on.

    `least` is their smallest value code; `sections` are the bytes of the three sections.
    """

    data: Array
    at: int
    n: int
    n_others: int
    least: int
    sections: tuple[int, int, int]

    def postings(self, dtype: npt.DTypeLike) -> tuple[Array, Array, Array]:
        """Documents uint64, ascending, value codes of that type, and positions uint32."""
        from saelake.store.arrays import bits  # numba: not for those who read first tiers alone

        found = np.empty(self.n, np.uint64), np.empty(self.n, dtype), np.empty(self.n, np.uint32)
        bits.take_postings(self.data, self.at, self.n, self.least, *found)
        return found

    def others(self) -> Others:
        """The tokens besides those of the maxima."""
        from saelake.store.arrays import bits

        found = Others.room(self.n, self.n_others)
        bits.take_others(
            self.data,
            self.at + self.sections[0],
            self.n,
            found.count,
            found.rest,
            found.begin,
            (found.position, found.level),
            0,
            MOST_OTHERS,
            NONE_LEFT,
        )
        return found

    def characters(self, position: Array) -> tuple[Array, Array]:
        """Where the tokens at these positions, the postings', are in their texts, int64."""
        from saelake.store.arrays import bits

        start, length = np.empty(self.n, np.int64), np.empty(self.n, np.int64)
        at = self.at + self.sections[0] + self.sections[1]
        bits.take_characters(self.data, at, self.n, position, start, length)
        return start, length


def bytes_of(column: pa.Array | pa.ChunkedArray) -> tuple[Array, Array]:
    """Where the binaries of a column begin, int64 (n + 1,), and their bytes."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    _, starts, data = column.buffers()
    begins = np.frombuffer(starts, np.int64)[column.offset : column.offset + len(column) + 1]
    return begins, np.frombuffer(data or b"", np.uint8)


def bands(column: pa.Array | pa.ChunkedArray, dtype: npt.DTypeLike) -> list[list[Band]]:
    """The bands of each binary of a column, strongest first; value codes are of that type."""
    begins, data = bytes_of(column)
    lowest = int(np.iinfo(dtype).min)
    return [_bands(data, int(a), int(b), lowest) for a, b in zip(begins, begins[1:], strict=False)]


def _bands(data: Array, begin: int, end: int, lowest: int) -> list[Band]:
    if begin == end:
        return []
    n_bands = int(data[begin : begin + 4].view(np.uint32)[0])
    at = begin + 4 + n_bands * HEADER_BYTES
    headers = data[begin + 4 : at].view(np.uint32).reshape(n_bands, len(_HEADER))
    found = []
    for n, n_others, least, *sections in headers.astype(np.int64).tolist():
        found.append(
            Band(data, at, n, n_others, least + lowest, (sections[0], sections[1], sections[2]))
        )
        at += sum(sections)
    return found


def n_others(column: pa.Array | pa.ChunkedArray) -> int:
    """How many other tokens all binaries of a column list."""
    return sum(band.n_others for each in bands(column, np.uint16) for band in each)


def packing_bytes(columns: tuple[Array, ...], n: int, n_features: int) -> int:
    """At most so many bytes take the tiers of `n` postings of these columns, packed."""
    doc, max_, position, _, start, length, count, *_ = columns
    bits = [int(a.max(initial=0)).bit_length() for a in (doc, position, start, length)]
    widest = sum(bits) + 8 * max_.itemsize + max(bits[1] + 16, bits[2]) + 2 + 8
    listed = int(np.where(count > MOST_OTHERS, 0, count).sum())
    blocks = n // 64 + 8 * n_features  # of most bands one is not full
    return (n * widest + listed * (bits[1] + 8)) // 8 + 16 * blocks + 256 * n_features + 64
