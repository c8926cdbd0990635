"""Tokens around places, and how strongly a feature fires at each."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.codes.characters import CHARACTERS, Characters, shown, within
from saelake.store.codes.table import Occurrences
from saelake.store.format.lists import Array, Lists, ranges
from saelake.store.query.parts.window_values import (
    FEW_DOCUMENTS,
    WindowTokens,
    values_looked_up,
    values_read,
)
from saelake.store.requests.windows import WINDOWS, WindowsQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """The windows of those places that have one, parallel int64 arrays (n_windows,).

    `place` is the number of the place, `index` its document's among all documents; tokens are
    counted from the first of the document (`start`), and in `Characters` (`first`).
    """

    place: Array
    index: Array
    start: Array
    first: Array
    length: Array


def windows(session: Session, query: WindowsQuery) -> pa.RecordBatch:
    """A row for each place that has tokens, in their order.

    The value of a negative pole is below 0. Raises `NotFound` of a document or a feature.
    """
    collection = session.collection(query.collection)
    each = np.array(query.place_features or [query.feature] * len(query.docs), np.int64)
    numbers = np.unique(each).tolist()
    collection.check_features(numbers)
    docs, index = np.unique(np.array(query.docs, np.uint64), return_inverse=True)
    collection.documents.check(docs.tolist())
    fired: Mapping[int, Occurrences] | None = None
    if len(docs) <= FEW_DOCUMENTS or not collection.segments:
        fired, characters = collection.codes.fired(docs, numbers, characters=True)
        assert characters is not None
    else:
        characters = Characters.of(*collection.codes.take(docs, CHARACTERS))
    cut = _cut(characters, index, np.array(query.positions, np.int64), query.n_tokens)
    tokens = WindowTokens(
        feature=each[cut.place], index=cut.index, start=cut.start, length=cut.length
    )
    values = (
        values_looked_up(collection, docs, tokens) if fired is None else values_read(fired, tokens)
    )
    signs = collection.settings.poles.signs(tokens.feature)
    return _rows(collection, docs, cut, characters, values * np.repeat(signs, cut.length))


def _cut(characters: Characters, index: Array, position: Array, n_tokens: int) -> _Cut:
    """Where each place's window is. A document's parts follow each other, and so do its tokens."""
    begin = characters.starts.offsets[characters.index.searchsorted(index)]
    total = characters.starts.offsets[characters.index.searchsorted(index, side="right")] - begin
    place = np.flatnonzero(total > 0)
    begin, total, index = begin[place], total[place], index[place]
    position = np.minimum(position[place], total - 1)
    length = np.minimum(total, n_tokens)
    start = np.clip(position - (n_tokens - n_tokens // 4), 0, total - length)
    return _Cut(place=place, index=index, start=start, first=begin + start, length=length)


def _rows(
    collection: Collection, docs: Array, cut: _Cut, characters: Characters, values: Array
) -> pa.RecordBatch:
    ids, texts = collection.documents.arrays(docs, ["id", "text"])
    row = np.repeat(np.arange(len(cut.length)), cut.length)
    at = ranges(cut.first, cut.length)
    starts = characters.starts.values[at].astype(np.int64)
    n_characters = np.asarray(pc.utf8_length(texts)).astype(np.int64)[cut.index][row]
    lengths = within(starts, characters.lengths.values[at], n_characters)
    lengths = shown(lengths, collection.settings.unit)
    offsets = np.append(0, np.cumsum(cut.length))
    left, right = _edges(starts, starts + lengths, offsets)
    whole = texts.take(pa.array(cut.index)).to_pylist()
    cut_out = [t[a:b] for t, a, b in zip(whole, left.tolist(), right.tolist(), strict=True)]
    kinds = {field.name: field.type for field in WINDOWS}
    arrays = {
        "place": pa.array(cut.place, pa.uint32()),
        "doc": pa.array(docs[cut.index], pa.uint64()),
        "id": ids.take(pa.array(cut.index)),
        "start": pa.array(cut.start, pa.uint32()),
        "text": pa.array(cut_out, pa.string()),
        "token_starts": Lists(offsets, starts - left[row]).to_arrow(kinds["token_starts"]),
        "token_lengths": Lists(offsets, lengths).to_arrow(kinds["token_lengths"]),
        "values": Lists(offsets, values).to_arrow(kinds["values"]),
    }
    return pa.RecordBatch.from_arrays([arrays[name] for name in WINDOWS.names], schema=WINDOWS)


def _edges(starts: Array, ends: Array, offsets: Array) -> tuple[Array, Array]:
    """The first and the last character of each window, int64; tokens may be in any order."""
    if len(offsets) == 1:
        return starts[:0], ends[:0]
    return np.minimum.reduceat(starts, offsets[:-1]), np.maximum.reduceat(ends, offsets[:-1])
