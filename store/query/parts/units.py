"""The units of documents with their codes, one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from saelake.store.codes.characters import CHARACTERS
from saelake.store.codes.table import CODE_COLUMNS
from saelake.store.format.lists import Array, Lists
from saelake.store.format.schema import MAX_PART_TOKENS
from saelake.store.query.parts.documents import encoded_documents
from saelake.store.snapshot.collection import Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCodes:
    """The units of some documents, by document and position, also those on which nothing fires.

    Of each its `doc` uint64, the document's `id`, the `position`, the characters from `start` to
    `end`, and the `token_id` (n,). Unit i has the codes `offsets[i]:offsets[i + 1]` of `pole` and
    of `strength`, by pole.
    """

    doc: Array
    id: list[str]
    position: Array
    start: Array
    end: Array
    token_id: Array
    offsets: Array
    pole: Array
    strength: Array


def unit_codes(collection: Collection, where: str | None) -> Iterator[UnitCodes]:
    """The units of a selection, of some documents at a time. Raises `InvalidFilter`."""
    codes = collection.codes
    for docs in encoded_documents(collection, collection.filters.mask(where)):
        index, rows = codes.take(docs, ["token_ids", *CHARACTERS, *CODE_COLUMNS])
        starts, lengths, ids = (Lists.of(rows[n]) for n in (*CHARACTERS, "token_ids"))
        part = rows["part"].to_numpy().astype(np.int64)
        row = starts.rows
        positions, counts = Lists.of(rows["positions"]), Lists.of(rows["counts"]).values
        unit = starts.offsets[positions.rows] + positions.values
        pole = np.repeat(Lists.of(rows["features"]).values, counts)
        order = np.lexsort((pole, unit))
        named = collection.documents.take(docs, ["id"])["id"].to_pylist()
        start = starts.values.astype(np.int64)
        yield UnitCodes(
            doc=docs[index][row],
            id=[named[i] for i in index[row].tolist()],
            position=np.arange(len(row)) - starts.offsets[row] + part[row] * MAX_PART_TOKENS,
            start=start,
            end=start + lengths.values,
            token_id=ids.values,
            offsets=np.searchsorted(unit[order], np.arange(len(row) + 1)),
            pole=pole[order],
            strength=codes.codec.decode(Lists.of(rows["values"]).values)[order],
        )
