"""One question about a whole collection in a fresh process, asked twice.

`python -m benchmarks.analyses.runs QUESTION LAKE COLLECTION [OUT [HALF_A HALF_B]]`: the answer's
columns that others' answers are compared with go to OUT. The memory is that of the first answer.
"""

import sys
import time
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from benchmarks.common.measure import Stretch, print_result
from saelake.store.engine import Engine

# The engine imports an analysis when it is first asked for; here, before the clock starts.
from saelake.store.index.impacts import ImpactIndex
from saelake.store.lake.lake import Lake
from saelake.store.query import cluster, correlate, diff  # noqa: F401
from saelake.store.requests.checks import Selection
from saelake.store.requests.cluster import ClusterQuery
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.request import Request
from saelake.store.snapshot.session import Session

N_CLUSTERS = 8
COMPARED = {
    "diff": {"feature": "feature", "a": "frequency_a", "b": "frequency_b"},
    "npmi": {"a": "feature_a", "b": "feature_b", "npmi": "npmi"},
}


def question(name: str, collection: str, halves: tuple[str, ...]) -> Request:
    """The question of that name; that of a diff is about two halves of the documents."""
    whole = Selection(collection=collection)
    if name == "diff":
        a, b = (Selection(collection=collection, where=half) for half in halves)
        return DiffQuery(a=a, others=(b,), k=None, examples=False)
    if name == "npmi":
        return CorrelateQuery(a=whole, min_npmi=-1, min_documents=1, max_coverage=1, k=None)
    if name == "strongest":
        return CorrelateQuery(a=whole)
    return ClusterQuery(collection=collection, n_clusters=N_CLUSTERS)


def asked(lake: str, query: Request) -> tuple[Mapping[str, float], pa.Table]:
    """The answer, and what it took from opening the lake; then again in the same process."""
    stretch = Stretch()
    engine = Engine(lake)
    answer = engine.ask(query).read_all()
    taken = stretch.stop()
    begun = time.perf_counter()
    engine.ask(query).read_all()
    return {**taken, "again_seconds": time.perf_counter() - begun}, answer


def held(lake: str, collection: str) -> Mapping[str, float]:
    """What it takes to hold a collection's embeddings in memory, and their lists by impact."""
    session = Session(Lake(lake))
    stretch = Stretch()
    selected = session.select(Selection(collection=collection))
    held = session.embeddings.hold(selected)
    assert held is not None, "the embeddings are more than a session keeps"
    blocks = list(held)
    ones = np.ones(selected.width, np.float32)
    index = ImpactIndex.of(blocks, ones)
    taken = stretch.stop()
    return {**taken, "n_bytes": sum(block.n_bytes for block in blocks) + index.n_bytes}


def main(name: str, lake: str, collection: str, out: str = "", *halves: str) -> None:
    if name == "nearest":
        print_result(**held(lake, collection))
        return
    taken, answer = asked(lake, question(name, collection, halves))
    print_result(**taken)
    if name in COMPARED:
        columns = {own: answer[column].to_numpy() for own, column in COMPARED[name].items()}
        np.savez(out, **columns)


if __name__ == "__main__":
    main(*sys.argv[1:])
