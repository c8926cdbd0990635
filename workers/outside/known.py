"""Documents that have codes in a collection already, and whether these are those of a source."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from saelake.store.codes.table import CodesTable
from saelake.store.format.checksums import CHECKSUM
from saelake.store.format.lists import Array, concatenate, ranges
from saelake.store.format.schema import CollectionSettings
from saelake.workers.outside.keys import Resolver
from saelake.workers.outside.packing import SpooledDocuments, packed


@dataclass(frozen=True, slots=True)
class KnownCodes:
    """Documents that have codes already, and those of them that have others; ascending int64."""

    docs: Array
    changed: Array

    @classmethod
    def nothing(cls) -> "KnownCodes":
        """None."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64))

    @classmethod
    def of(
        cls,
        codes: CodesTable,
        documents: SpooledDocuments,
        settings: CollectionSettings,
        resolver: Resolver,
    ) -> "KnownCodes":
        """Those of these documents: their rows are packed, and their checksums compared."""
        there = np.intersect1d(documents.distinct, docs_of(codes))
        pages = documents.of(there).pages()
        changed = [_differing(codes, packed(page, settings, resolver)) for page in pages]
        return cls(there, concatenate(changed, np.int64))


def docs_of(codes: CodesTable) -> Array:
    """The documents that have codes, ascending int64."""
    locations = codes.locations
    return ranges(locations.docs.astype(np.int64), locations.lengths)


def _differing(codes: CodesTable, rows: pa.RecordBatch) -> Array:
    """Of documents that have codes those whose rows are others, ascending int64."""
    docs = np.asarray(rows["doc"])
    distinct = np.unique(docs)
    index, stored = codes.take(distinct, [CHECKSUM])
    ours = _sums(docs, np.asarray(rows["part"]), np.asarray(rows[CHECKSUM]))
    theirs = _sums(distinct[index], stored["part"].to_numpy(), stored[CHECKSUM].to_numpy())
    return np.array([doc for doc in distinct.tolist() if ours[doc] != theirs[doc]], np.int64)


def _sums(docs: Array, parts: Array, sums: Array) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = {}
    for doc, part, checksum in zip(docs.tolist(), parts.tolist(), sums.tolist(), strict=True):
        found.setdefault(doc, []).append((part, checksum))
    return found
