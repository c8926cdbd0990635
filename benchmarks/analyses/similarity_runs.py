"""Questions to a collection in a process of their own.

`python -m benchmarks.analyses.similarity_runs STEP LAKE COLLECTION DOC…`. STEP is near, exact,
right or scipy.
"""

import sys
import time

import numpy as np
from scipy import sparse

from benchmarks.common.measure import Stretch, print_result
from saelake.store.arrays.levels import row_products
from saelake.store.codes.embeddings import Block, blocks, take
from saelake.store.codes.executor import pieces
from saelake.store.engine import Engine
from saelake.store.format.lists import Array
from saelake.store.index.levels import inverse_lengths
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.query import similar as _imported  # noqa: F401  # so that first is not of this
from saelake.store.requests.similar import SimilarQuery
from saelake.store.snapshot.collection import Collection

K = 10
ROWS_AT_ONCE = 8192
TOGETHER = 8


def ask(lake: str, name: str, docs: list[int], *, exact: bool) -> None:
    """The seconds of each answer, and the scores of its documents."""
    seconds, answers = [], []
    stretch = Stretch()
    engine = Engine(lake)
    for doc in docs:
        query = SimilarQuery(collection=name, docs=(doc,), k=K, exact=exact)
        begun = time.perf_counter()
        found = engine.ask(query).read_all()
        seconds.append(time.perf_counter() - begun)
        hits = zip(found["doc"].to_pylist(), found["score"].to_pylist(), strict=True)
        answers.append({str(hit): score for hit, score in hits})
    print_result(seconds=seconds, answers=answers, peak_bytes=stretch.stop()["peak_bytes"])


def right(lake: str, name: str, docs: list[int]) -> None:
    """The cosine of the tenth nearest of each document, by one pass over all codes."""
    collection = Collection(Lake(lake).pinned(), CollectionName.parse(name))
    width = collection.settings.width
    asked = take(collection.codes, np.array(docs, np.uint64))
    queries = np.zeros((width, len(docs)), np.float32)
    for row in range(len(asked)):
        features, values = asked.row(row)
        queries[features, row] = values / np.linalg.norm(values)
    best = np.zeros((K + 1, len(docs)), np.float32)
    for piece in pieces(collection.codes, ROWS_AT_ONCE):
        for block in blocks(piece):
            found = _cosines(block, queries, width)
            best = np.sort(np.concatenate([best, found]), axis=0)[-K - 1 :]
    print_result(least=best[0].tolist())  # itself among the eleven


def _cosines(block: Block, queries: Array, width: int) -> Array:
    arrays = (block.offsets, block.features, block.values)
    parts = [
        row_products(*arrays, np.ascontiguousarray(queries[:, first : first + TOGETHER]))
        for first in range(0, queries.shape[1], TOGETHER)
    ]
    found: Array = np.concatenate(parts, axis=1) * inverse_lengths(block, width)[:, None]
    return found


def product(lake: str, name: str, docs: list[int]) -> None:
    """The seconds of each product with all rows."""
    stretch = Stretch()
    collection = Collection(Lake(lake).pinned(), CollectionName.parse(name))
    parts = [_matrix(b, collection) for p in pieces(collection.codes) for b in blocks(p)]
    seconds = []
    for doc in docs:
        query = parts[doc % len(parts)][0].toarray()[0]
        begun = time.perf_counter()
        for part in parts:
            part @ query
        seconds.append(time.perf_counter() - begun)
    print_result(seconds=seconds, peak_bytes=stretch.stop()["peak_bytes"])


def _matrix(block: Block, collection: Collection) -> sparse.csr_matrix:
    index = (block.values, block.features.astype(np.int32), block.offsets.astype(np.int32))
    return sparse.csr_matrix(index, (len(block), collection.settings.width))


if __name__ == "__main__":
    step, place, collection_name, *numbers = sys.argv[1:]
    asked_of = [int(number) for number in numbers]
    if step == "scipy":
        product(place, collection_name, asked_of)
    elif step == "right":
        right(place, collection_name, asked_of)
    else:
        ask(place, collection_name, asked_of, exact=step == "exact")
