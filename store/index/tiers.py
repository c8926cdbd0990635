"""A tier of a feature as bytes: what it has besides the list of the first tier.

Little-endian: the number of bands as uint32 (or nothing at all, of an empty tier), then six uint32
for each band, `_HEADER`, then the bands, each of three sections of so many bytes (see
`arrays.bits`). A band has stronger postings than the next; in each, documents ascend. The first and
the second tier have one band, of the first only the other tokens are here. The last tier's are
four times as long as all before, so that of a long list the strongest are unpacked alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.format.lists import Array
from saelake.store.index.others import MOST_OTHERS, NONE_LEFT, Others
from saelake.store.tables.cells import Cell
from saelake.store.tables.damage import damaged

_HEADER = ("n", "n_others", "least", "postings", "others", "characters")
HEADER_BYTES = 4 * len(_HEADER)
READ_WHOLE = 1 << 16  # bytes of a tier that are read as soon as a part of them
FIRST_READ = 4 + 8 * HEADER_BYTES  # of a longer one: the headers of as many bands as most have
MOST_A_BYTE = 512  # numbers that are all 0 take no bits, but each block of them takes bytes


@dataclass(frozen=True, slots=True)
class Band:
    """Some postings of a feature, packed: `n` of them, in the bytes of three sections.

    `least` is their smallest value code, and `uri` the table that they are of. What unpacks raises
    `Corrupt` where the bytes cannot be such.
    """

    sections: Sequence[Array]
    n: int
    n_others: int
    least: int
    uri: str

    @property
    def own(self) -> "Band":
        """A copy of the band, whose bytes are of no larger read."""
        return replace(self, sections=tuple(section.copy() for section in self.sections))

    @property
    def n_bytes(self) -> int:
        """The bytes."""
        return sum(section.nbytes for section in self.sections)

    def postings(self, dtype: npt.DTypeLike) -> tuple[Array, Array, Array]:
        """Documents uint64, ascending, value codes of that type, and positions uint32."""
        from saelake.store.arrays import bits  # numba: not for those who read first tiers alone

        found = np.empty(self.n, np.uint64), np.empty(self.n, dtype), np.empty(self.n, np.uint32)
        with self._reading():
            bits.take_postings(self.sections[0], 0, self.n, self.least, *found)
        return found

    def others(self) -> Others:
        """The tokens besides those of the maxima."""
        from saelake.store.arrays import bits

        found = Others.room(self.n, self.n_others)
        arrays = found.count, found.rest, found.begin
        lists = found.position, found.level
        with self._reading():
            bits.take_others(self.sections[1], 0, self.n, *arrays, lists, 0, MOST_OTHERS, NONE_LEFT)
        return found

    def characters(self, position: Array) -> tuple[Array, Array]:
        """Where the tokens at these positions, the postings', are in their texts, int64."""
        from saelake.store.arrays import bits

        start, length = np.empty(self.n, np.int64), np.empty(self.n, np.int64)
        with self._reading():
            bits.take_characters(self.sections[2], 0, self.n, position, start, length)
        return start, length

    def postings_in(self, docs: Array, dtype: npt.DTypeLike) -> tuple[Array, Array, Array, Array]:
        """The postings in these documents (int64, ascending), which are not all unpacked.

        Which of the band's they are, int64, and what `postings` says of them, documents int64.
        """
        from saelake.store.arrays import lookups

        with self._reading():
            found: tuple[Array, Array, Array, Array] = lookups.postings_in(
                self.sections[0], self.n, self.least, docs, np.empty(0, dtype)
            )
        return found

    def others_at(self, places: Array) -> Others:
        """What `others` says of these postings (int64, ascending)."""
        from saelake.store.arrays import lookups

        with self._reading():
            count, rest, begin, position, level = lookups.others_at(
                self.sections[1], self.n, places, MOST_OTHERS, NONE_LEFT
            )
        return Others(count=count, rest=rest, begin=begin, position=position, level=level)

    def characters_at(self, places: Array, position: Array) -> tuple[Array, Array]:
        """What `characters` says of these postings (int64, ascending), at these positions."""
        from saelake.store.arrays import bits, lookups

        with self._reading():
            start, length = lookups.characters_at(
                self.sections[2], self.n, places, position, bits.RATIO
            )
        return start, length

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise damaged(self.uri, error) from None


def bytes_of(column: pa.Array | pa.ChunkedArray) -> tuple[Array, Array]:
    """Where the binaries of a column begin, int64 (n + 1,), and their bytes."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    _, starts, data = column.buffers()
    begins = np.frombuffer(starts, np.int64)[column.offset : column.offset + len(column) + 1]
    return begins, np.frombuffer(data or b"", np.uint8)


def bands(
    column: pa.Array | pa.ChunkedArray, dtype: npt.DTypeLike, uri: str = ""
) -> list[list[Band]]:
    """The bands of each binary of a column, strongest first; value codes are of that type.

    Raises `Corrupt`, of the table at `uri`.
    """
    lowest = int(np.iinfo(dtype).min)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    found = []
    for begins, data in map(bytes_of, chunks):  # to make one of them would copy long lists
        pieces = (data[a:b] for a, b in pairwise(begins.tolist()))
        found += [list(_bands(piece, lowest, uri)) for piece in pieces]
    return found


def bands_in(cell: Cell, dtype: npt.DTypeLike) -> list[Band]:
    """The bands of a binary that lies in a file: of a long one sections are read when needed.

    Raises `Corrupt`, also later.
    """
    lowest = int(np.iinfo(dtype).min)
    if cell.size <= READ_WHOLE:
        return list(_bands(cell.read(0, cell.size), lowest, cell.uri))
    data = cell.read(0, FIRST_READ)
    end = 4 + int(data[:4].view(np.uint32)[0]) * HEADER_BYTES
    data = data if end <= FIRST_READ else cell.read(0, end)
    return [
        Band(_StoredSections(cell, ends), n, n_others, least + lowest, cell.uri)
        for n, n_others, least, ends in _headers(data, cell.size, cell.uri)
    ]


class _StoredSections(Sequence[Array]):
    """The sections of a band in a file, each read when it is first asked for."""

    def __init__(self, cell: Cell, ends: Sequence[int]) -> None:
        self._cell = cell
        self._ends = ends
        self._read: dict[int, Array] = {}

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, i: Any) -> Any:
        if i not in self._read:
            begin, end = self._ends[i], self._ends[i + 1]  # IndexError ends an iteration
            self._read[i] = self._cell.read(begin, end)
        return self._read[i]


def _bands(data: Array, lowest: int, uri: str) -> Iterator[Band]:
    for n, n_others, least, ends in _headers(data, len(data), uri):
        sections = tuple(data[a:b] for a, b in pairwise(ends))
        yield Band(sections, n, n_others, least + lowest, uri)


def _headers(data: Array, size: int, uri: str) -> Iterator[tuple[int, int, int, list[int]]]:
    """What is said of each band before the first, in a binary of `size` bytes.

    How many postings and other tokens, the least, and the ends of the sections.
    """
    if size == 0:
        return
    n_bands = int(data[:4].view(np.uint32)[0]) if len(data) >= 4 else 0
    at = 4 + n_bands * HEADER_BYTES
    headers = data[4:at].view(np.uint8)
    if not n_bands or len(headers) != n_bands * HEADER_BYTES:
        raise damaged(uri, ValueError("packed postings have no header"))
    for n, n_others, least, *sizes in headers.view(np.uint32).reshape(n_bands, -1).tolist():
        ends = [at + sum(sizes[:i]) for i in range(4)]
        if ends[-1] > size or max(n, n_others) > MOST_A_BYTE * size:
            raise damaged(uri, ValueError("packed postings are cut short"))
        yield n, n_others, least, ends
        at = ends[-1]


def n_others(column: pa.Array | pa.ChunkedArray, uri: str = "") -> int:
    """How many other tokens all binaries of a column list."""
    return sum(band.n_others for each in bands(column, np.uint16, uri) for band in each)


def packing_bytes(columns: tuple[Array, ...], n: int, n_features: int) -> int:
    """At most so many bytes take the tiers of `n` postings of these columns, packed."""
    doc, max_, position, _, start, length, count, *_ = columns
    bits = [int(a.max(initial=0)).bit_length() for a in (doc, position, start, length)]
    widest = sum(bits) + 8 * max_.itemsize + max(bits[1] + 16, bits[2]) + 2 + 8
    listed = int(np.where(count > MOST_OTHERS, 0, count).sum())
    blocks = n // 64 + 8 * n_features  # of most bands one is not full
    return (n * widest + listed * (bits[1] + 8)) // 8 + 16 * blocks + 256 * n_features + 64
