"""Questions to a collection in a process of their own.

`python -m benchmarks.analyses.similarity_runs STEP LAKE COLLECTION DOC…`. STEP is near, exact or
scipy.
"""

import sys
import time

import numpy as np
from scipy import sparse

from benchmarks.common.measure import Stretch, print_result
from saelake.store.codes.embeddings import Block, blocks
from saelake.store.codes.executor import pieces
from saelake.store.engine import Engine
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.query import similar as _imported  # noqa: F401  # so that first is not of this
from saelake.store.requests.similar import SimilarQuery
from saelake.store.snapshot.collection import Collection

K = 10


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
    asked = [int(number) for number in numbers]
    if step == "scipy":
        product(place, collection_name, asked)
    else:
        ask(place, collection_name, asked, exact=step == "exact")
