"""Dense vectors and their nearest neighbours. The one file that speaks FAISS."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import faiss
import numpy as np
import pyarrow as pa

from saelake.store.errors import NotFound
from saelake.store.lists import Array
from saelake.store.schema import EMBEDDER_KEY, vectors_schema
from saelake.store.tables import Table, metadata, overwrite

FLAT_VECTORS = 100_000  # as many are compared one by one; above, lists of RaBitQ codes are probed
LISTS_PROBED = 1 / 16
REFINED = 8  # candidates compared exactly, as a multiple of the answers
SCAN_ROWS = 4096


class VectorIndex:
    """Rows, and which of them have the largest inner product with a query."""

    def __init__(self, vectors: Array) -> None:
        n, width = vectors.shape
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        self._lists: Any = None
        if n <= FLAT_VECTORS:
            self._flat: Any = faiss.IndexFlatIP(width)
            self._flat.add(self.vectors)
            return
        n_lists = int(4 * n**0.5)
        self._n_probe = max(int(n_lists * LISTS_PROBED), 1)
        self._lists = faiss.index_factory(
            width, f"IVF{n_lists},RaBitQ,RFlat", faiss.METRIC_INNER_PRODUCT
        )
        self._lists.train(self.vectors)
        self._lists.add(self.vectors)
        self._flat = self._lists.refine_index

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
        if self._lists is None or (keep is not None and keep.sum() <= FLAT_VECTORS):
            return self._flat, faiss.SearchParameters(**given)
        inner = faiss.SearchParametersIVF(nprobe=self._n_probe, **given)
        outer = faiss.IndexRefineSearchParameters(k_factor=REFINED, base_index_params=inner)
        return self._lists, outer


class Vectors:
    """A snapshot of a table of vectors: of `row` i the vector at `rows == i`."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.embedder = metadata(table.schema)[EMBEDDER_KEY]

    @classmethod
    def open(cls, uri: str) -> "Vectors | None":
        """The newest snapshot, or None where there is no such table."""
        try:
            table = Table.open(uri)
        except NotFound:
            return None
        return cls(table) if table.n_rows else None

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        return int(self.table.schema.field("vector").type.list_size)

    @property
    def n_bytes(self) -> int:
        """About how much memory the vectors take once they are read."""
        return self.table.n_rows * (4 * self.width + 8)

    @cached_property
    def _columns(self) -> tuple[Array, Array]:
        batches = list(self.table.scan(["row", "vector"], batch_rows=SCAN_ROWS))
        rows = np.concatenate([np.asarray(batch["row"]) for batch in batches])
        vectors = np.concatenate([_matrix(batch["vector"]) for batch in batches])
        order = np.argsort(rows, kind="stable")
        return rows[order], vectors[order]

    @property
    def rows(self) -> Array:
        """What each vector is of (a document or feature), ascending, uint64 (n,)."""
        return self._columns[0]

    @cached_property
    def index(self) -> VectorIndex:
        """The vectors, ready to be searched."""
        return VectorIndex(self._columns[1])

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
