"""Similar documents of collections that are larger than memory: time, memory, recall, bytes.

`python -m benchmarks similarity`: a synthetic collection of documents of 50 tokens is made for each
size, or taken where `--lake` names one (which is indexed, if it is not). Each row of the table is
of processes of their own.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.common.measure import elapsed_s
from benchmarks.common.places import PROFILES
from benchmarks.common.profile import Profile
from benchmarks.common.report import Cell, Table, publish
from benchmarks.common.synthetic import NAME, Synthesis, shards
from saelake.store.documents.documents import import_documents
from saelake.store.growth.impacts import index_impacts
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.snapshot.collection import Collection

MEAN_LENGTH = 50
N_RIGHT = 104  # questions whose right answers are computed
K = 10
MIB = 1 << 20
NOTE = (
    "Documents as questions, with the hits' texts, metadata and shared features. First: the first "
    "answer of a new process that has imported saelake. Exact: the same with `exact`, read anew "
    "for each question where the embeddings do not fit in the cache of 1 GiB. SciPy: a product of "
    "a CSR matrix that is in memory and a vector, without hits. Recall counts documents as near "
    "as the tenth. The index is the impacts, made by one core."
)


def main(
    documents: Annotated[list[int] | None, typer.Option(help="sizes of synthetic lakes")] = None,
    lake: Annotated[list[str] | None, typer.Option(help="LAKE:CORPUS/DICTIONARY")] = None,
    questions: int = 200,
    exact: Annotated[int, typer.Option(help="questions that are also answered exactly")] = 20,
    scipy: Annotated[bool, typer.Option(help="also hold all rows as a SciPy matrix")] = True,
    seed: int = 0,
) -> None:
    """Measure each collection, and print a table of them."""
    rows = []
    for size in documents or ([] if lake else [60_000]):
        with _made(size, seed) as place:
            rows.append(measure(place, NAME, questions, exact, scipy, seed))
    for text in lake or ():
        place, _, name = text.rpartition(":")
        rows.append(measure(place, CollectionName.parse(name), questions, exact, scipy, seed))
    publish("similarity", [Table(title="10 nearest documents", rows=rows, note=NOTE)], facts={})


@contextmanager
def _made(n_documents: int, seed: int) -> Iterator[str]:
    """A synthetic lake with codes, and no index."""
    with tempfile.TemporaryDirectory(prefix="saelake-") as folder:
        lake = Lake(folder)
        profile = Profile.load(PROFILES / "imdb-minilm.npz")
        synthesis = Synthesis(profile, n_documents, seed=seed, mean_length=MEAN_LENGTH)
        import_documents(lake, NAME.corpus, synthesis)
        for _ in shards(lake, synthesis):
            pass
        yield folder


def measure(
    place: str, name: CollectionName, questions: int, exact: int, scipy: bool, seed: int
) -> Mapping[str, Cell]:
    """A row of the table."""
    lake = Lake(place).pinned()
    collection = Collection(lake, name)
    build_s = None
    if collection.nearest is None:
        build_s = elapsed_s(lambda: index_impacts(lake, name, collection.codes))
        collection = Collection(lake, name)
    assert collection.nearest is not None
    n = collection.codes.locations.n_documents
    random = np.random.default_rng(seed)
    docs = [str(doc) for doc in random.choice(n, questions, replace=False)]
    near = _fresh("near", place, str(name), *docs)
    exactly = _fresh("exact", place, str(name), *docs[:exact])
    right = _fresh("right", place, str(name), *docs[:N_RIGHT])
    seconds = np.array(near["seconds"][1:])
    row: dict[str, Cell] = {
        "documents": f"{n:,}",
        "index s": build_s,
        "index bytes a document": collection.nearest.table.size_bytes / n,
        "first ms": 1e3 * near["seconds"][0],
        "p50 ms": 1e3 * float(np.median(seconds)),
        "p99 ms": 1e3 * float(np.quantile(seconds, 0.99)),
        "peak MiB": near["peak_bytes"] / MIB,
        f"recall@{K}": _recall(near["answers"], right["least"]),
        "recall said": collection.nearest.recall,
        "exact ms": 1e3 * float(np.median(exactly["seconds"][1:])),
        "exact peak MiB": exactly["peak_bytes"] / MIB,
    }
    if scipy:
        product = _fresh("scipy", place, str(name), *docs[:exact])
        row["SciPy ms"] = 1e3 * float(np.median(product["seconds"]))
        row["SciPy peak MiB"] = product["peak_bytes"] / MIB
    return row


def _recall(found: Sequence[Mapping[str, float]], least: Sequence[float]) -> float:
    """The share of the answers that are as near as the tenth of the right ones."""
    shares = [
        sum(score >= tenth - 1e-6 for score in mine.values()) / K
        for mine, tenth in zip(found, least, strict=False)
    ]
    return float(np.mean(shares))


def _fresh(*arguments: str) -> dict[str, Any]:
    """What a step in a new process prints last."""
    command = [sys.executable, "-m", "benchmarks.analyses.similarity_runs", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
