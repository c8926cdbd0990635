"""Texts, encoded as the documents of a collection were; nothing is stored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from saelake.store.format.lists import Array, Lists
from saelake.store.format.schema import MAX_PART_TOKENS
from saelake.store.format.values import ValueCodec
from saelake.store.query.parts.labelled import labels_of
from saelake.store.query.parts.whereabouts import Whereabouts
from saelake.store.requests.encode import EncodeQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session


def encode(session: Session, query: EncodeQuery) -> pa.RecordBatch:
    """A row for each token, by text and position; strongest features first, ties by number.

    Of a signed dictionary strongest is by magnitude. Raises `NotFound` for a feature that does not
    exist, and what `Texts.rows` raises.
    """
    collection = session.collection(query.collection)
    collection.check_features(query.features or ())
    placed = Whereabouts.of(session.lake, collection)
    settings = collection.settings
    rows = session.texts.rows(settings, placed.model, placed.dictionary, query.texts)
    tokens = Lists.of(rows["token_ids"])
    fired = _Fired.of(rows, settings.codec, tokens.offsets).of_features(query.features)
    return _answer(session, collection, rows, query.texts, fired.strongest(query.k))


@dataclass(frozen=True, slots=True)
class _Fired:
    """What fires: on which token (numbered over all texts), which pole, how strongly."""

    token: Array
    pole: Array
    strength: Array

    @classmethod
    def of(cls, rows: pa.Table, codec: ValueCodec, begins: Array) -> "_Fired":
        counts, positions = Lists.of(rows["counts"]).values, Lists.of(rows["positions"])
        return cls(
            begins[positions.rows] + positions.values,
            np.repeat(Lists.of(rows["features"]).values, counts),
            codec.decode(Lists.of(rows["values"]).values),
        )

    def of_features(self, poles: Sequence[int] | None) -> "_Fired":
        """Only these poles; None is all."""
        return self if poles is None else self[np.isin(self.pole, np.array(poles, np.uint32))]

    def strongest(self, k: int | None) -> "_Fired":
        """The `k` strongest of each token, by token, then the strongest first."""
        ordered = self[np.lexsort((self.pole, -self.strength, self.token))]
        begins = np.searchsorted(ordered.token, ordered.token)
        rank = np.arange(len(ordered.token)) - begins
        return ordered if k is None else ordered[rank < k]

    def __getitem__(self, chosen: Array) -> "_Fired":
        return replace(
            self,
            token=self.token[chosen],
            pole=self.pole[chosen],
            strength=self.strength[chosen],
        )


def _answer(
    session: Session, collection: Collection, rows: pa.Table, texts: Sequence[str], fired: _Fired
) -> pa.RecordBatch:
    ids = Lists.of(rows["token_ids"])
    starts, lengths = Lists.of(rows["token_starts"]).values, Lists.of(rows["token_lengths"]).values
    text = rows["doc"].to_numpy()[ids.rows]
    offset = rows["part"].to_numpy().astype(np.int64)[ids.rows] * MAX_PART_TOKENS
    bounds = np.searchsorted(fired.token, np.arange(len(ids.values) + 1)).astype(np.int32)
    labels = labels_of(session, collection).of(fired.pole)
    columns = {
        "text": text,
        "position": np.arange(len(ids.values)) - ids.offsets[ids.rows] + offset,
        "token_id": ids.values,
        "token": _tokens(texts, text, starts, lengths),
        "token_start": starts,
        "token_length": lengths,
        "features": _lists(bounds, fired.pole),
        "values": _lists(bounds, fired.strength * collection.settings.poles.signs(fired.pole)),
        "labels": _lists(bounds, pa.array(labels, pa.string())),
    }
    arrays = [pa.array(columns[f.name]).cast(f.type) for f in EncodeQuery.answer]
    return pa.RecordBatch.from_arrays(arrays, schema=EncodeQuery.answer)


def _tokens(texts: Sequence[str], text: Array, starts: Array, lengths: Array) -> pa.Array:
    """The characters of each token."""
    places = zip(text.tolist(), starts.tolist(), lengths.tolist(), strict=True)
    return pa.array([texts[i][start : start + n] for i, start, n in places], pa.string())


def _lists(bounds: Array, values: Array | pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), pa.array(values))
