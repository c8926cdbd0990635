"""Where several features fire."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from saelake.store.codes.characters import shown
from saelake.store.query.parts.best_tokens import BestTokens
from saelake.store.query.parts.matches import TokensFound
from saelake.store.requests.places import PLACES, PlacesQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session

ROWS_PER_BATCH = 2048  # of which the documents' texts are in memory


def places(session: Session, query: PlacesQuery) -> pa.RecordBatchReader:
    """The places of one feature after the other; texts are read some of them at a time.

    Raises `InvalidFilter` and `NotFound` (of a feature).
    """
    collection = session.collection(query.collection)
    features = list(dict.fromkeys(query.features))
    collection.check_features(features)
    mask = collection.filters.mask(query.where)
    best = BestTokens(collection=collection, mask=mask, k=query.k, order=query.order)
    batches = _batches(collection, best.each(features))
    return pa.RecordBatchReader.from_batches(PLACES, batches)


def _batches(
    collection: Collection, found: Iterable[tuple[int, TokensFound]]
) -> Iterator[pa.RecordBatch]:
    waiting: list[tuple[int, TokensFound]] = []
    n_rows = 0
    for feature, tokens in found:
        for begin in range(0, len(tokens), ROWS_PER_BATCH):
            waiting.append((feature, tokens[begin : begin + ROWS_PER_BATCH]))
            n_rows += len(waiting[-1][1])
            if n_rows >= ROWS_PER_BATCH:
                yield _batch(collection, waiting)
                waiting, n_rows = [], 0
    if waiting:
        yield _batch(collection, waiting)


def _batch(collection: Collection, found: list[tuple[int, TokensFound]]) -> pa.RecordBatch:
    tokens = TokensFound.joined(each for _, each in found)
    docs, row = np.unique(tokens.doc, return_inverse=True)
    ids, texts = collection.documents.arrays(docs, ["id", "text"])
    whole = texts.to_pylist()
    characters = shown(tokens.length, collection.settings.unit)
    spans = zip(row.tolist(), tokens.start.tolist(), characters.tolist(), strict=True)
    lengths = [len(each) for _, each in found]
    arrays = {
        "feature": pa.array(np.repeat([feature for feature, _ in found], lengths), pa.uint32()),
        "doc": pa.array(tokens.doc),
        "id": ids.take(pa.array(row)),
        "position": pa.array(tokens.position, pa.uint32()),
        "value": pa.array(tokens.value),
        "token": pa.array([whole[r][start : start + n] for r, start, n in spans], pa.string()),
    }
    return pa.RecordBatch.from_arrays([arrays[name] for name in PLACES.names], schema=PLACES)
