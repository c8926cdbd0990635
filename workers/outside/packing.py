"""Spooled units as rows of the codes table, in the order of documents."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from saelake.store.errors import CorpusError
from saelake.store.format.lists import Array, ranges, runs
from saelake.store.format.schema import MAX_PART_TOKENS, CollectionSettings, codes_schema
from saelake.workers.encoder.pack import PageCodes, Part, pack
from saelake.workers.outside.keys import Resolver
from saelake.workers.outside.spool import NO_POSITION, ClosedSpool, SpooledUnits

PAGE_CODES, PAGE_UNITS = 1 << 20, 1 << 17
LONGEST_UNIT = 65_535  # characters of a unit as they are stored; one that is longer has these


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledDocuments:
    """Runs of a spool that are of documents, in document order: `runs` and `docs`, int64 (n,)."""

    spool: ClosedSpool
    runs: Array
    docs: Array

    def of(self, docs: Array) -> "SpooledDocuments":
        """Those of these documents (ascending)."""
        if not len(docs):
            return SpooledDocuments(spool=self.spool, runs=self.runs[:0], docs=self.docs[:0])
        begin = int(np.searchsorted(self.docs, docs[0]))
        end = int(np.searchsorted(self.docs, docs[-1], side="right"))
        kept = begin + np.flatnonzero(np.isin(self.docs[begin:end], docs))
        return SpooledDocuments(spool=self.spool, runs=self.runs[kept], docs=self.docs[kept])

    @property
    def distinct(self) -> Array:
        """The documents, each once, ascending."""
        return np.unique(self.docs)

    def pages(self) -> Iterator["SpooledDocuments"]:
        """Some documents at a time, whole, of about a million codes together."""
        heads = runs(self.docs)
        if not len(heads):
            return
        codes = np.add.reduceat(self.spool.n_codes_of(self.runs), heads)
        units = np.add.reduceat(self.spool.size[self.runs], heads)
        filled = np.cumsum(codes) // PAGE_CODES + np.cumsum(units) // PAGE_UNITS
        bounds = np.append(heads[runs(filled)], len(self.docs))
        for begin, end in pairwise(bounds.tolist()):
            some = slice(begin, end)
            yield SpooledDocuments(spool=self.spool, runs=self.runs[some], docs=self.docs[some])

    def read(self) -> tuple[Array, SpooledUnits]:
        """The units in the order of their documents and, in each, of their positions; of which.

        Codes are in the order of the units.
        """
        found = self.spool.read(self.runs)
        doc = np.repeat(self.docs, self.spool.size[self.runs])
        units = found.units
        order = np.lexsort((units["end"], units["start"], units["position"], doc))
        if (np.diff(order) == 1).all():
            return doc, found
        first = np.cumsum(found.counts) - found.counts
        counts = found.counts[order]
        at = ranges(first[order], counts)
        return doc[order], SpooledUnits(units=units[order], counts=counts, codes=found.codes[at])


def check_units(page: SpooledDocuments, lengths: Array, id_of: Callable[[int], str]) -> None:
    """Raise `CorpusError` unless units lie in their texts, once each, and positions count them.

    `lengths` has the characters of every document of the corpus.
    """
    doc, found = page.read()
    units = found.units
    start, end, position = units["start"], units["end"], units["position"]

    def refuse(bad: Array, why: str) -> None:
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            place = f"characters {start[at]} to {end[at]}"
            raise CorpusError(f"Document {id_of(int(doc[at]))!r}: {place} {why}.", doc=doc[at])

    refuse(end < start, "end before they begin")
    refuse(
        end > lengths[doc],
        "are not all in its text. Are they counted in characters, and of this text?",
    )
    same = np.append(False, doc[1:] == doc[:-1])
    before = np.roll(units, 1)
    again = same & (before["start"] == start) & (before["end"] == end)
    again &= before["position"] == position
    refuse(again, "are there twice. Give each unit one row")
    if (position != NO_POSITION).any():
        heads = runs(doc)
        expected = ranges(0, np.diff(np.append(heads, len(doc))))
        refuse(
            position != expected,
            "are not at the position that follows. Positions count the units of a document from 0: "
            "give each unit a row, also those without codes",
        )


def packed(
    page: SpooledDocuments, settings: CollectionSettings, resolver: Resolver
) -> pa.RecordBatch:
    """The rows of a page."""
    doc, found = page.read()
    if settings.unit == "document":
        found.units["end"] = LONGEST_UNIT  # to the end of the text: that is where it is cut
    parts = list(_parts(doc, found.units))
    sizes = np.array([len(part.token_ids) for part in parts], np.int64)
    row = np.repeat(np.arange(len(parts)), sizes)
    position = ranges(0, sizes)
    value = found.codes["value"]
    feature = resolver(found.codes["key"])
    if settings.by_pole:
        feature = feature + settings.d_sae * (value < 0)
        value = np.abs(value)
    codes = PageCodes(
        np.repeat(row, found.counts).astype(np.int32),
        np.repeat(position, found.counts).astype(np.int32),
        feature.astype(np.int32),
        value,
    )
    return pack(parts, codes, schema=codes_schema(settings), codec=settings.codec)


def _parts(doc: Array, units: Array) -> Iterator[Part]:
    """The rows of documents, of which one with very many units has several."""
    token_ids = units["token_id"].view(np.int32) if len(units) else np.empty(0, np.int32)
    starts = units["start"].astype(np.uint32)
    lengths = np.minimum(units["end"] - units["start"], LONGEST_UNIT).astype(np.uint16)
    bounds = np.append(runs(doc), len(doc)).tolist()
    for begin, end in pairwise(bounds):
        number = int(doc[begin])
        for part, first in enumerate(range(begin, end, MAX_PART_TOKENS)):
            span = slice(first, min(first + MAX_PART_TOKENS, end))
            yield Part(
                doc=number,
                part=part,
                token_ids=token_ids[span],
                starts=starts[span],
                lengths=lengths[span],
            )


def shards(documents: SpooledDocuments, most_codes: int, most_rows: int) -> Sequence[Array]:
    """The documents in groups of about so many codes, and of at most so many rows."""
    heads = runs(documents.docs)
    if not len(heads):
        return []
    codes = np.add.reduceat(documents.spool.n_codes_of(documents.runs), heads)
    number = np.cumsum(codes) // most_codes + np.arange(len(heads)) // most_rows
    return np.split(documents.docs[heads], runs(number)[1:])
