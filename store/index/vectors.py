"""Dense vectors and their nearest neighbours. The one file that speaks FAISS.

Lists of many vectors take long to train, so the first who needs them keeps them in a file beside
the table, which others then open without training or reading it: `words--vectors.lance` has
`words--vectors.<contents>.faiss`, named after the contents of one snapshot. It is only ever a copy:
one that is missing, damaged or of other vectors is made again.

With FAISS for GPUs, and one at hand, each vector's list is found there, in training and in adding;
the lists are the host's, as anybody reads them.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
from faiss.contrib.ivf_tools import add_preassigned

from saelake.store.errors import AccessDenied, OutOfSpace, Unavailable
from saelake.store.format.lists import Array
from saelake.store.format.schema import EMBEDDER_KEY, vectors_schema
from saelake.store.tables.files import delete, list_files, local_path, read_bytes, write_bytes
from saelake.store.tables.tables import Table, metadata, overwrite

FLAT_VECTORS = 100_000  # as many are compared one by one; above, lists of RaBitQ codes are probed
LISTS_PROBED = 1 / 16
REFINED = 8  # candidates compared exactly, as a multiple of the answers
SCAN_ROWS = 4096
ASSIGNED_ROWS = 1 << 18  # whose lists are looked for at a time
N_COMPARED = 16  # vectors of a kept index, which tell that it is of this table
_KEPT = re.compile(r"([0-9a-f]{16})(-[0-9a-f]{8})?\.faiss")


class VectorIndex:
    """Rows, and which of them have the largest inner product with a query.

    `vectors` (n, width) are float32; they may be of a mapped file, and last as long as the index.
    """

    def __init__(self, vectors: Array, lists: Any = None) -> None:
        """An index of these vectors; `lists` are FAISS's of them, where they are made already."""
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        self.lists = lists
        if lists is None and len(vectors) > FLAT_VECTORS:
            self.lists = trained(self.vectors, on_gpus(vectors.shape[1]))
        if self.lists is None:
            self._flat: Any = faiss.IndexFlatIP(vectors.shape[1])
            self._flat.add(self.vectors)
        else:
            self.vectors = _vectors_in(self.lists)  # which have a copy of their own
            self._flat = faiss.downcast_index(self.lists.refine_index)
            self._n_probe = max(int(faiss.extract_index_ivf(self.lists).nlist * LISTS_PROBED), 1)

    def __len__(self) -> int:
        return len(self.vectors)

    def nearest(self, queries: Array, k: int, keep: Array | None = None) -> tuple[Array, Array]:
        """Rows int64 and inner products float32, each (n_queries, k), best first, ties by row.

        `keep` (bool, one a row) restricts the answer. Places that nothing is left for are -1, also
        where the lists that are probed have fewer than `k` rows.
        """
        n = len(self)
        k = min(k, n)
        if k == 0:
            return np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32)
        index, parameters = self._ways(keep)
        queries = np.ascontiguousarray(queries, np.float32)
        room = min(k + 1, n)
        while True:
            products, rows = index.search(queries, room, params=parameters)
            if room == n or ((rows[:, -1] < 0) | (products[:, -1] < products[:, k - 1])).all():
                break
            room = min(2 * room, n)  # FAISS may have left out an earlier row of an equal product
        order = np.lexsort((rows, -products), axis=1)[:, :k]
        return np.take_along_axis(rows, order, 1), np.take_along_axis(products, order, 1)

    def _ways(self, keep: Array | None) -> tuple[Any, Any]:
        """What to search, and how: few rows are compared one by one, as lists have few of them."""
        given = {}
        if keep is not None:
            given["sel"] = faiss.IDSelectorBitmap(np.packbits(keep, bitorder="little"))
        if self.lists is None or (keep is not None and keep.sum() <= FLAT_VECTORS):
            return self._flat, faiss.SearchParameters(**given)
        inner = faiss.SearchParametersIVF(nprobe=self._n_probe, **given)
        outer = faiss.IndexRefineSearchParameters(k_factor=REFINED, base_index_params=inner)
        return self.lists, outer


def trained(vectors: Array, assigner: Any = None) -> Any:
    """FAISS's lists of vectors; an `assigner` finds the list of each, the lists' own index without.

    That is an empty index of inner products, as `on_gpus` has.
    """
    n, width = vectors.shape
    kind = f"IVF{int(4 * n**0.5)},RaBitQ,RFlat"
    lists: Any = faiss.index_factory(width, kind, faiss.METRIC_INNER_PRODUCT)
    inner: Any = faiss.extract_index_ivf(lists)
    if assigner is None:
        lists.train(vectors)
        lists.add(vectors)
        return lists
    inner.clustering_index = assigner
    lists.train(vectors)
    inner.clustering_index = None  # which the lists do not own
    assigner.reset()
    assigner.add(inner.quantizer.reconstruct_n(0, inner.nlist))
    nearest = np.concatenate(
        [assigner.search(vectors[i : i + ASSIGNED_ROWS], 1)[1] for i in range(0, n, ASSIGNED_ROWS)]
    )
    add_preassigned(inner, vectors, np.ascontiguousarray(nearest[:, 0]))
    faiss.downcast_index(lists.refine_index).add(vectors)
    lists.ntotal = inner.ntotal
    return lists


def on_gpus(width: int) -> Any:
    """An empty index of inner products on every GPU that FAISS finds; None where there is none."""
    if not faiss.get_num_gpus():
        return None
    return faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(width))


def _vectors_in(lists: Any) -> Array:
    flat: Any = faiss.downcast_index(lists.refine_index)
    found: Array = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d)
    return found.reshape(flat.ntotal, flat.d)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """Where the lists of `n` vectors of a table's snapshot are kept.

    `part` says of which of its vectors, where they are not all.
    """

    table: Table
    n: int
    width: int
    part: str = ""

    @property
    def uri(self) -> str:
        """The address of the file."""
        part = f"-{sha256(self.part.encode()).hexdigest()[:8]}" if self.part else ""
        return f"{self._stem}{self.table.contents}{part}.faiss"

    @property
    def _stem(self) -> str:
        return f"{self.table.uri.removesuffix('.lance')}."

    def index(self, read: Callable[[Array | None], Array]) -> VectorIndex:
        """The index that is kept, or else one that is made and kept.

        `read` gives the vectors at these places, or all.
        """
        if self.n <= FLAT_VECTORS:
            return VectorIndex(read(None))
        lists = self._read()
        at = np.linspace(0, self.n - 1, N_COMPARED).astype(np.int64)
        if lists is not None and np.array_equal(_vectors_in(lists)[at], read(at)):
            return VectorIndex(_vectors_in(lists), lists)
        made = VectorIndex(read(None))
        self._write(made.lists)
        return made

    def _read(self) -> Any:
        """The lists, or None: there are none, or they are damaged. On a disk they are mapped."""
        path = local_path(self.uri)
        try:
            if path is not None:
                lists = faiss.read_index(path, faiss.IO_FLAG_MMAP_IFC)
            elif (data := read_bytes(self.uri)) is not None:
                lists = faiss.deserialize_index(np.frombuffer(data, np.uint8))
            else:
                return None
        except RuntimeError:  # all that FAISS says of a file that is missing or makes no sense
            return None
        is_of_lists = isinstance(lists, faiss.IndexRefineFlat)
        return lists if is_of_lists and (lists.ntotal, lists.d) == (self.n, self.width) else None

    def _write(self, lists: Any) -> None:
        """Keep lists in place of those of earlier snapshots, if one may and can."""
        with suppress(AccessDenied, OutOfSpace, Unavailable):  # then everybody makes his own
            if not self.table.is_newest:
                return  # else readers of an old snapshot and of the newest take turns
            write_bytes(self.uri, faiss.serialize_index(lists).data)
            for uri in list_files(self._stem.rpartition("/")[0]):
                found = _KEPT.fullmatch(uri.removeprefix(self._stem))
                if found and found[1] != self.table.contents:
                    delete(uri)


class Vectors:
    """A snapshot of a table of vectors: of `row` i the vector at `rows == i`."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.embedder = metadata(table.schema)[EMBEDDER_KEY]

    @classmethod
    def open(cls, uri: str) -> "Vectors | None":
        """The newest snapshot, or None where there is no such table."""
        table = Table.find(uri)
        return cls(table) if table is not None and table.n_rows else None

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        return int(self.table.schema.field("vector").type.list_size)

    @property
    def n_bytes(self) -> int:
        """About how much memory the vectors take once they are read."""
        return self.table.n_rows * (4 * self.width + 8)

    @cached_property
    def _order(self) -> tuple[Array, Array]:
        """What each vector is of, ascending, and where in the table it is."""
        batches = list(self.table.scan(["row"], batch_rows=SCAN_ROWS))
        rows = np.concatenate([np.asarray(batch["row"]) for batch in batches])
        order = np.argsort(rows, kind="stable")
        return rows[order], order

    @property
    def rows(self) -> Array:
        """What each vector is of (a document or feature), ascending, uint64 (n,)."""
        return self._order[0]

    @cached_property
    def index(self) -> VectorIndex:
        """The vectors, ready to be searched."""
        return IndexFile(table=self.table, n=self.table.n_rows, width=self.width).index(self._read)

    def _read(self, at: Array | None) -> Array:
        order = self._order[1]
        if at is not None:
            taken = self.table.take(order[at].tolist(), ["vector"])["vector"]
            return _matrix(taken.combine_chunks())
        batches = self.table.scan(["vector"], batch_rows=SCAN_ROWS)
        return np.concatenate([_matrix(batch["vector"]) for batch in batches])[order]

    def of(self, rows: Array) -> Array:
        """The vectors of these documents or features, (n, width), without those that have none."""
        at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        found: Array = self.index.vectors[at[self.rows[at] == rows]]
        return found


def _matrix(column: pa.FixedSizeListArray) -> Array:
    return np.asarray(column.flatten()).reshape(len(column), -1)


def write_vectors(
    uri: str, width: int, embedder: str, batches: Iterable[tuple[Array, Array]]
) -> None:
    """Replace a table of vectors by batches of (rows, vectors); the old one stays until the end.

    What making a batch raises is raised here.
    """
    schema = vectors_schema(width, embedder)
    failed: list[BaseException] = []

    def rows() -> Iterator[pa.RecordBatch]:
        try:
            for numbers, vectors in batches:
                flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
                column = pa.FixedSizeListArray.from_arrays(flat, width)
                yield pa.record_batch([pa.array(numbers, pa.uint64()), column], schema=schema)
        except BaseException as error:
            failed.append(error)
            raise

    try:
        overwrite(uri, pa.RecordBatchReader.from_batches(schema, rows()))
    except Exception:
        if not failed:
            raise
        raise failed[0] from None  # Lance would report it as an error of its own
