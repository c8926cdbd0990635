"""The rows of a segment: the tiers of each feature, as the postings table stores them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.arrays import postings as kernels
from saelake.store.arrays.batches import split
from saelake.store.format.lists import Array, Lists
from saelake.store.format.schema import N_TIERS, STRONGEST, TIERS

BATCH_BYTES = 4 << 20  # Lance wrote larger ones in 1.8 times the processor time
LATER = ("doc_gaps", "max", "positions", "token_starts", "token_lengths")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingsBlock:
    """The postings of some neighbouring features, those of feature i at `begins[i]:ends[i]`.

    `begins` and `ends` int64 (n_features,); the others are parallel arrays (n,): `doc`,
    `position`, `token` and `start` uint32, `max` value codes, `length` uint16. Documents ascend
    inside a feature. `token` need only be right for the strongest of each feature.
    """

    first_feature: int
    begins: Array
    ends: Array
    doc: Array
    max: Array
    position: Array
    token: Array
    start: Array
    length: Array

    @classmethod
    def empty(cls, first_feature: int, sizes: Array, dtype: npt.DTypeLike) -> Self:
        """Room for so many postings of each feature, and none there yet."""
        offsets = np.append(0, np.cumsum(sizes))
        n = int(offsets[-1])
        return cls(
            first_feature=first_feature,
            begins=offsets[:-1],
            ends=offsets[:-1].copy(),
            doc=np.empty(n, np.uint32),
            max=np.empty(n, dtype),
            position=np.empty(n, np.uint32),
            token=np.empty(n, np.uint32),
            start=np.empty(n, np.uint32),
            length=np.empty(n, np.uint16),
        )

    @property
    def columns(self) -> kernels.Columns:
        """The parallel arrays, in the order of `STRONGEST`."""
        return self.doc, self.max, self.position, self.token, self.start, self.length

    def append(self, rows: pa.Table) -> None:
        """Add a segment's postings of these features: the rows of their tiers, in order."""
        strongest = Lists.of(rows["strongest"])
        gaps, maxima, positions, starts, lengths = (Lists.of(rows[name]) for name in LATER)
        kernels.append(
            strongest.offsets,
            strongest.values,
            gaps.offsets,
            (gaps.values, maxima.values, positions.values, starts.values, lengths.values),
            self.ends,
            self.columns,
        )

    def order_by_document(self) -> None:
        """Put each feature's postings in order, and leave one of each document."""
        kernels.order_by_document(self.begins, self.ends, self.columns)

    def batches(
        self, schema: pa.Schema, covers: Iterable[int] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of these features, in batches; the first row says what the segment `covers`."""
        rows = self._rows(schema, covers)
        return split(rows, max_rows=rows.num_rows, max_bytes=BATCH_BYTES)

    def _rows(self, schema: pa.Schema, covers: Iterable[int] | None) -> pa.RecordBatch:
        n_features = len(self.begins)
        strongest, later = self._tiers()
        columns = {
            "feature": np.repeat(np.arange(n_features) + self.first_feature, N_TIERS),
            "tier": np.tile(np.arange(N_TIERS), n_features),
            "covers": [None if covers is None else list(covers)]
            + [None] * (N_TIERS * n_features - 1),
        }
        arrays = {name: pa.array(c, schema.field(name).type) for name, c in columns.items()}
        lists = {"strongest": strongest, **later}
        arrays |= {name: each.to_arrow(schema.field(name).type) for name, each in lists.items()}
        return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)

    def _tiers(self) -> tuple[Lists, dict[str, Lists]]:
        """The lists of the first tiers, and by column those of the later ones."""
        strongest_at, later_at = _offsets(self.ends - self.begins)
        strongest = np.empty(int(strongest_at[-1]), np.uint32)
        n = int(later_at[-1])
        later = (
            np.empty(n, np.uint32),
            np.empty(n, self.max.dtype),
            np.empty(n, np.uint32),
            np.empty(n, np.uint32),
            np.empty(n, np.uint16),
        )
        kernels.split_into_tiers(
            self.begins,
            self.ends,
            self.columns,
            self.max.view(f"u{self.max.itemsize}"),
            int(np.iinfo(self.max.dtype).min),
            TIERS,
            strongest_at,
            strongest,
            later_at,
            later,
        )
        columns: tuple[Array, ...] = later
        lists = {name: Lists(later_at, column) for name, column in zip(LATER, columns, strict=True)}
        return Lists(strongest_at, strongest), lists


def _offsets(sizes: Array) -> tuple[Array, Array]:
    """Where the lists of all tiers begin, of features with so many postings.

    Those of `strongest`, and those of each column of `LATER`; int64 (N_TIERS n_features + 1,).
    """
    first = np.minimum(sizes, TIERS[0])
    second = np.minimum(sizes - first, TIERS[1])
    nothing = np.zeros_like(sizes)
    strongest = np.stack([len(STRONGEST) * first, nothing, nothing], axis=1)
    later = np.stack([nothing, second, sizes - first - second], axis=1)
    a, b = (np.append(0, np.cumsum(each.reshape(-1))) for each in (strongest, later))
    return a, b
