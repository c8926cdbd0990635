"""Large values of a column where they lie in a data file of this machine, read in parts.

Lance reads a value as a whole, in a few tenths of a millisecond and three more for each megabyte.
Where a column is stored one value after another, as it is ("full zip", not compressed), the file
says where each begins, so that what is needed of one can be read alone. Lance's own metadata tell
where the pages are; what is not as expected is left for Lance to read.
"""

import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saelake.store.errors import Corrupt
from saelake.store.tables.damage import damaged, reading
from saelake.store.tables.files import local_path
from saelake.store.tables.tables import Table, address

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

_LAYOUT = re.compile(
    r"FullZipLayout \{\s*bits_rep: 0,\s*bits_def: ([01]),\s*num_items: (\d+),"
    r".*?Variable \{.*?\bvalues: None,.*?BitsPerOffset\(\s*(32|64),\s*\)",
    re.DOTALL,
)
_ALONE = "ConstantLayout {"  # of a page of one value
_HEAD = struct.Struct("<IIIQQ")  # before it
_WIDTHS = (1, 2, 4, 8)  # bytes of a place in a page
_TRIED = 8  # values that must be what Lance reads


@dataclass(frozen=True, slots=True)
class Cell:
    """A value: `size` bytes from `begin` on in a file, which is only open while it is read."""

    path: str
    begin: int
    size: int
    uri: str

    def read(self, begin: int, end: int) -> Bytes:
        """Some of its bytes, uint8. Raises `Corrupt` where the file is cut short, or gone."""
        found = np.empty(max(min(end, self.size) - begin, 0), np.uint8)
        with reading(self.uri):
            n_bytes = self._fill(found.data, self.begin + begin)
        if n_bytes < len(found):
            raise damaged(self.uri, EOFError("a file of it is cut short"))
        return found

    def _fill(self, room: memoryview, begin: int) -> int:
        """Read bytes of the file, from a place on; how many there are."""
        try:
            file = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError:
            raise damaged(self.uri, EOFError("a file of it is gone")) from None
        try:
            return os.preadv(file, [room], begin)
        finally:
            os.close(file)


@dataclass(frozen=True, slots=True)
class LocatedCells:
    """The values of one column in the first rows of a fragment.

    `begins` int64 (n,) are where they are in the file, and `sizes` int64 (n,) their bytes, -1 of
    nulls.
    """

    path: str
    uri: str
    begins: Places
    sizes: Places

    def __len__(self) -> int:
        return len(self.begins)

    @property
    def n_bytes(self) -> int:
        """The memory that it takes."""
        return self.begins.nbytes + self.sizes.nbytes

    def find(self, row: int) -> Cell | None:
        """The value in a row of the fragment; None where Lance is to read it."""
        if row >= len(self) or self.sizes[row] < 0:
            return None
        return Cell(self.path, int(self.begins[row]), int(self.sizes[row]), self.uri)


def cells_of(table: Table, fragment: int, column: str) -> LocatedCells | None:
    """The values of a column in a fragment; None where they are not as expected."""
    folder = local_path(table.uri)
    if folder is None or table.mirrored is not None:
        return None
    path = Path(folder) / "data" / table.file_of(fragment)
    try:
        found = LocatedCells(str(path), table.uri, *_places(str(path), column))
        return found if _are_right(found, table, fragment, column) else None
    except (OSError, ValueError, RuntimeError, Corrupt):  # what is damaged is said when it is read
        return None


def _places(path: str, column: str) -> tuple[Places, Places]:
    """Where the values of the first pages begin, and their sizes.

    Of a page of one value nothing says how many rows it is of: one, where all together then have
    as many as there are, or else it ends what is known.
    """
    from lance.file import LanceFileReader

    metadata = LanceFileReader(path).metadata()
    with Path(path).open("rb") as file:
        pages = [_of_page(file.fileno(), page) for page in _pages(metadata, column)]
    if sum(len(sizes) for _, sizes in pages) != metadata.num_rows:
        alone = (i for i, (_, sizes) in enumerate(pages) if len(sizes) == 1)
        pages = pages[: next(alone, len(pages))]
    begins, sizes = ([np.empty(0, np.int64), *each] for each in zip(*pages, strict=True))
    return np.concatenate(begins), np.concatenate(sizes)


def _pages(metadata: Any, column: str) -> list[Any]:
    """The pages of a column. A list is one column here, as its values are."""
    names = metadata.schema.names
    if len(metadata.columns) != len(names) or column not in names:
        raise ValueError("columns are not stored as expected")
    return list(metadata.columns[names.index(column)].pages)


def _of_page(file: int, page: Any) -> tuple[Places, Places]:
    """Where the values of a page begin, and their sizes: -1 of nulls."""
    if _ALONE in page.encoding:
        return _of_one(file, page)
    layout = _LAYOUT.search(page.encoding)
    if layout is None or len(page.buffers) != 2:
        raise ValueError("a page is not stored as expected")
    control, n, before = int(layout[1]), int(layout[2]), int(layout[3]) // 8
    data, places = page.buffers
    width = places.size // (n + 1)
    if width not in _WIDTHS or width * (n + 1) != places.size:
        raise ValueError("a page is not stored as expected")
    read = os.pread(file, places.size, places.position)
    ends = np.frombuffer(read, f"<u{width}").astype(np.int64)
    sizes = np.diff(ends) - control - before
    if ends[0] != 0 or ends[-1] != data.size:
        raise ValueError("a page is not stored as expected")
    return data.position + ends[:-1] + control + before, np.maximum(sizes, -1)


def _of_one(file: int, page: Any) -> tuple[Places, Places]:
    """The one value of a page: how many buffers, their sizes, two offsets, and the bytes."""
    if not page.buffers:
        return np.zeros(1, np.int64), np.full(1, -1, np.int64)
    (data,) = page.buffers
    size = data.size - _HEAD.size
    if _HEAD.unpack(os.pread(file, _HEAD.size, data.position)) != (2, 16, size, 0, size):
        raise ValueError("a page is not stored as expected")
    return np.full(1, data.position + _HEAD.size, np.int64), np.full(1, size, np.int64)


def _are_right(found: LocatedCells, table: Table, fragment: int, column: str) -> bool:
    """Whether some of the values are what Lance reads."""
    known = np.flatnonzero(found.sizes >= 0)
    if len(known) == 0:
        return False
    tried = np.unique(known[np.linspace(0, len(known) - 1, _TRIED).astype(np.int64)])
    addresses = [address(fragment, row) for row in tried.tolist()]
    values = table.take_addresses(addresses, [column])[column]
    for row, value in zip(tried.tolist(), values, strict=True):
        cell = found.find(row)
        if cell is None or cell.read(0, cell.size).tobytes() != value.as_py():
            return False
    return True
