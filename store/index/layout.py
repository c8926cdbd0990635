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
from saelake.store.format.schema import BANDS, N_TIERS, STRONGEST, TIERS
from saelake.store.index.others import MOST_OTHERS, NONE_LEFT, Others
from saelake.store.index.tiers import bytes_of, packing_bytes

BATCH_BYTES = 4 << 20  # Lance wrote larger ones in 1.8 times the processor time
LISTED = ("doc_gaps", "max", "positions", "token_starts", "token_lengths")  # of earlier segments


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingsBlock:
    """The postings of some neighbouring features, those of feature i at `begins[i]:ends[i]`.

    `begins` and `ends` int64 (n_features,); the others are parallel arrays (n,): `doc`,
    `position`, `token` and `start` uint32, `max` value codes, `length` uint16, and the `others`.
    Documents ascend inside a feature. `token` need only be right for the strongest of each feature.
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
    others: Others

    @classmethod
    def empty(
        cls, first_feature: int, sizes: Array, dtype: npt.DTypeLike, n_others: int = 0
    ) -> Self:
        """Room for so many postings of each feature and so many other tokens; none there yet."""
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
            others=Others.room(n, n_others),
        )

    @property
    def columns(self) -> kernels.Columns:
        """The parallel arrays, in the order of `STRONGEST`, and then the others'."""
        own = self.doc, self.max, self.position, self.token, self.start, self.length
        return (*own, self.others.count, self.others.rest, self.others.begin)

    @property
    def _lowest(self) -> int:
        return int(np.iinfo(self.max.dtype).min)

    def append(self, rows: pa.Table, n_listed: int) -> int:
        """Add a segment's postings of these features: the rows of their tiers, in order.

        So many other tokens are listed before, and the sum of them is returned. Documents of a
        feature are then in order tier by tier. Raises `ValueError` where bytes are damaged.
        """
        strongest = Lists.of(rows["strongest"])
        starts, data = bytes_of(rows["packed"])
        return int(
            kernels.append_packed(
                strongest.offsets,
                strongest.values,
                starts,
                data,
                self._lowest,
                self.ends,
                np.append(self.begins[1:], len(self.doc)),
                self.columns,
                (self.others.position, self.others.level),
                n_listed,
                MOST_OTHERS,
                NONE_LEFT,
            )
        )

    def append_listed(self, rows: pa.Table) -> None:
        """Add the postings of a segment of an earlier saelake, which knows no other tokens."""
        strongest = Lists.of(rows["strongest"])
        gaps, maxima, positions, starts, lengths = (Lists.of(rows[name]) for name in LISTED)
        kernels.append(
            strongest.offsets,
            strongest.values,
            gaps.offsets,
            (gaps.values, maxima.values, positions.values, starts.values, lengths.values),
            self.ends,
            self.columns,
            MOST_OTHERS + 1,
        )

    def order_by_document(self) -> None:
        """Put each feature's postings in order, and leave one of each document."""
        kernels.order_by_document(self.begins, self.ends, self.columns, MOST_OTHERS + 1)

    def batches(
        self, schema: pa.Schema, covers: Iterable[int] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of these features, in batches; the first row says what the segment `covers`."""
        rows = self._rows(schema, covers)
        return split(rows, max_rows=rows.num_rows, max_bytes=BATCH_BYTES)

    def _rows(self, schema: pa.Schema, covers: Iterable[int] | None) -> pa.RecordBatch:
        n_features = len(self.begins)
        strongest, packed = self._tiers()
        sizes = np.diff(_ends_of_tiers(self.ends - self.begins), axis=1, prepend=0)
        columns = {
            "feature": np.repeat(np.arange(n_features) + self.first_feature, N_TIERS),
            "tier": np.tile(np.arange(N_TIERS), n_features),
            "covers": [None if covers is None else list(covers)]
            + [None] * (N_TIERS * n_features - 1),
            "size": sizes.reshape(-1),
        }
        arrays = {name: pa.array(c, schema.field(name).type) for name, c in columns.items()}
        arrays["strongest"] = strongest.to_arrow(schema.field("strongest").type)
        arrays["packed"] = packed
        n = N_TIERS * n_features
        made = [arrays[f.name] if f.name in arrays else pa.nulls(n, f.type) for f in schema]
        return pa.RecordBatch.from_arrays(made, schema=schema)

    def _tiers(self) -> tuple[Lists, pa.Array]:
        """The lists of the first tiers, and the packed bytes of all."""
        sizes = np.minimum(self.ends - self.begins, TIERS[0]) * len(STRONGEST)
        nothing = np.zeros_like(sizes)
        lists = np.stack([sizes, nothing, nothing], axis=1).reshape(-1)
        strongest_at = np.append(0, np.cumsum(lists))
        strongest = np.empty(int(strongest_at[-1]), np.uint32)
        room = packing_bytes(self.columns, int((self.ends - self.begins).sum()), len(self.ends))
        data = np.empty(room, np.uint8)
        data_at = np.zeros(N_TIERS * len(self.ends) + 1, np.int64)
        kernels.split_into_tiers(
            self.begins,
            self.ends,
            self.columns,
            (self.others.position, self.others.level),
            self.max.view(f"u{self.max.itemsize}"),
            self._lowest,
            np.array([*ends_of_bands(), np.iinfo(np.int64).max]),
            strongest_at,
            strongest,
            data_at,
            data,
            MOST_OTHERS,
        )
        buffers = [None, pa.py_buffer(data_at), pa.py_buffer(data[: int(data_at[-1])])]
        packed = pa.Array.from_buffers(pa.large_binary(), len(data_at) - 1, buffers)
        return Lists(strongest_at, strongest), packed


def ends_of_bands() -> list[int]:
    """How many postings are in all bands up to each, of lists that are long enough."""
    return [TIERS[0], sum(TIERS), *(end for end in BANDS if end > sum(TIERS))]


def last_row(schema: pa.Schema) -> pa.RecordBatch:
    """The row after all tiers, of nulls, by which a segment is told from earlier ones.

    An earlier saelake, which cannot read this segment, takes it for none by that, and scans.
    """
    return pa.RecordBatch.from_arrays([pa.nulls(1, f.type) for f in schema], schema=schema)


def _ends_of_tiers(sizes: Array) -> Array:
    """How many postings there are up to the end of each tier, int64 (n_features, N_TIERS)."""
    bounds = np.array([TIERS[0], sum(TIERS), np.iinfo(np.int64).max])
    ends: Array = np.minimum(sizes[:, None], bounds)
    return ends
