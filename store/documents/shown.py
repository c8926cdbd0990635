"""Columns of documents, kept in memory once they are asked for often: ids, metadata, then texts.

Each column of a few rows is a read of its own. What is kept is of a state of the columns' files,
which never change: a snapshot with more files goes on with what is kept of the first, and reads the
rest.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.arrays.cache import Cache
from saelake.store.arrays.memory import returning
from saelake.store.tables.tables import Table

SHARE = 1 / 8  # of the cache's bytes, for ids and metadata of a corpus
TEXT_SHARE = 1 / 4  # for its texts
TEXT = "text"
MOST_BYTES = 2**31 - 1  # of one array of texts
HELD_BYTES = 256 << 20  # of a cache of its own, of which a share is for each of these
ALIKE = 8  # texts that are the same, on average, where a test is asked of each once
SCAN_ROWS = 65_536
SCAN_TEXTS = 4096
AHEAD_BYTES = 16 << 20  # Lance alone would hold a whole file of texts


@dataclass(frozen=True, slots=True)
class HeldColumn:
    """A column of the documents in these files, in one piece; None where it takes too much."""

    files: tuple[str, ...]
    values: pa.Array | None


class ShownColumns:
    """Some columns of a snapshot of documents, kept in a cache; thread-safe.

    Those that take more than their share of it are read by each question.
    """

    def __init__(
        self, documents: Table, columns: Sequence[str], *, cache: Cache | None = None
    ) -> None:
        self._documents = documents
        self._columns = tuple(columns)
        self._cache = cache or Cache(HELD_BYTES)
        self._same: dict[str, tuple[str, ...]] = {}  # files of which its are the first, as seen

    def take(self, docs: npt.NDArray[np.uint64], columns: Sequence[str]) -> pa.Table:
        """`columns` of these documents, in the order asked for."""
        fields = [self._documents.schema.field(name) for name in columns]
        return pa.Table.from_arrays(self.arrays(docs, columns), schema=pa.schema(fields))

    def arrays(self, docs: npt.NDArray[np.uint64], columns: Sequence[str]) -> list[pa.Array]:
        """The values of each column for these documents, in the order asked for."""
        held = {name: values for name in columns if (values := self.find(name)) is not None}
        if len(held) < len(columns):
            self.wish()
        places = pa.array(docs)
        found = {name: values.take(places) for name, values in held.items()}
        rest = [name for name in columns if name not in held]
        if rest:
            read = self._documents.take(docs.tolist(), rest)
            found |= {name: pa.concat_arrays(read[name].chunks) for name in rest}
        return [found[name] for name in columns]

    def find(self, column: str) -> pa.Array | None:
        """The values of a column for all documents, where they are kept."""
        held = self._found(column)
        if held is None or held.values is None:
            return None
        n_rows = self._n_rows
        return held.values if len(held.values) == n_rows else held.values.slice(0, n_rows)

    def words(self, column: str) -> pa.Array | None:
        """What `find` gives, where texts are encoded by a dictionary if many are the same."""
        values = self.find(column)
        if values is None or values.type != pa.string() or column == TEXT:
            return values
        key = ("words", self._keys[column], self._files[column])
        if not self._cache.knows(key):
            words = values.dictionary_encode()
            is_small = len(words.dictionary) * ALIKE <= len(words)
            self._cache.put(key, words if is_small else None, words.nbytes if is_small else 0)
        words = self._cache.find(key)
        return values if words is None else words

    def wish(self) -> None:
        """Let the columns be read beside the questions, once they were asked for often enough."""
        table = self._documents
        self._cache.wish(("columns", table.key), self.read)

    def read(self) -> None:
        """Read what is not kept, ids and metadata first, as far as it fits."""
        capacity = self._cache.capacity
        room = {False: int(capacity * SHARE), True: min(int(capacity * TEXT_SHARE), MOST_BYTES)}
        for name in sorted(self._columns, key=lambda name: name == TEXT):
            held = self._found(name)
            if held is None:
                try:
                    held = HeldColumn(self._files[name], self._whole(name, room[name == TEXT]))
                except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # of no one piece
                    held = HeldColumn(self._files[name], None)
                self._cache.put(self._keys[name], held, _bytes(held))
            room[name == TEXT] -= _bytes(held)

    def _found(self, column: str) -> HeldColumn | None:
        """What is kept of a column, or that it is too large, if that is so of this snapshot."""
        held: HeldColumn | None = self._cache.find(self._keys.get(column))
        if held is None:
            return None
        if held.values is None:
            return held if held.files == self._files[column][: len(held.files)] else None
        return held if self._are_first(column, held.files) else None

    def _whole(self, column: str, room: int) -> pa.Array | None:
        """All values of a column; None where they take more room."""
        known: HeldColumn | None = self._cache.find(self._keys[column])
        first, n_known = [], 0
        files = self._files[column]
        if known and known.values is not None and known.files == files[: len(known.files)]:
            first, n_known = [known.values], len(known.files)
        table = self._documents
        rest = [fragment.id for fragment in table.fragments[n_known:]]
        n_rows = SCAN_TEXTS if column == TEXT else SCAN_ROWS
        batches = table.scan([column], fragments=rest, batch_rows=n_rows, ahead_bytes=AHEAD_BYTES)
        parts = chain(first, (batch[column] for batch in batches))
        is_text = table.schema.field(column).type == pa.string()
        with returning():
            return texts_in_one(parts, self._n_rows, room) if is_text else in_one(parts, room)

    def _are_first(self, column: str, files: tuple[str, ...]) -> bool:
        """Whether the snapshot's files of a column are the first of these."""
        own = self._files[column]
        if files is not self._same.get(column) and files[: len(own)] == own:
            self._same[column] = files
        return files is self._same.get(column)

    @cached_property
    def _files(self) -> Mapping[str, tuple[str, ...]]:
        """Of each column: one that was written anew is in other files than the rest."""
        return self._documents.column_files

    @cached_property
    def _n_rows(self) -> int:
        return self._documents.n_rows

    @cached_property
    def _keys(self) -> Mapping[str, Hashable]:
        uri, schema = self._documents.uri, self._documents.schema
        return {name: ("column", uri, name, str(schema.field(name).type)) for name in self._columns}


def in_one(parts: Iterable[pa.Array], room: int) -> pa.Array | None:
    """The parts as one array; None where they take more room."""
    found: list[pa.Array] = []
    for part in parts:
        found.append(part)
        room -= part.nbytes
        if room < 0:
            return None
    return pa.concat_arrays(found) if found else None


def texts_in_one(parts: Iterable[pa.Array], n_rows: int, room: int) -> pa.Array | None:
    """The parts, of texts, as one array of `n_rows`; None where they take more room.

    Each part is forgotten when the next comes, and of the room only what is filled is memory.
    """
    if 4 * (n_rows + 1) > room:
        return None
    offsets = np.zeros(n_rows + 1, np.int32)
    valid = np.ones(n_rows, np.bool_)
    data = np.empty(room - offsets.nbytes, np.uint8)
    row = end = 0
    for part in parts:
        _, places, characters = part.buffers()
        at = np.frombuffer(places, np.int32)[part.offset : part.offset + len(part) + 1]
        begin, size = int(at[0]), int(at[-1] - at[0])
        if end + size > len(data):
            return None
        if size:
            data[end : end + size] = np.frombuffer(characters, np.uint8)[begin : begin + size]
        offsets[row + 1 : row + len(part) + 1] = at[1:] - begin + end
        if part.null_count:
            valid[row : row + len(part)] = np.asarray(part.is_valid())
        row, end = row + len(part), end + size
    data.resize(end, refcheck=False)  # in its place
    bits = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    buffers = [bits, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), row, buffers)


def _bytes(held: HeldColumn) -> int:
    return 0 if held.values is None else int(held.values.nbytes)
