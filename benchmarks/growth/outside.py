"""Codes from elsewhere: how fast they come and leave, in which memory, and what is found.

Vectors are like SPLADE's: names of a Zipf distribution, about a hundred of each document. The
search is of BM25's weights of a corpus with questions, against SciPy's product with every document.
"""

import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow.parquet as pq
import typer
from scipy import sparse

import saelake
from benchmarks.common.measure import fresh, size_bytes
from benchmarks.common.places import DATA
from benchmarks.common.report import Cell, Table, publish
from benchmarks.growth.outside_runs import COLLECTION, STEPS

Question = Mapping[int, float]  # weights of features
Scores = Mapping[int, float]  # of documents

MIB = 1 << 20
PER_DOCUMENT = 100
K = 10
ROUNDS = 5
K1, B = 0.9, 0.4  # of BM25, as Anserini and Pyserini have them
WORD = re.compile(r"[a-z0-9]+")
NOTE = (
    "A process for each step; MiB is how much its resident memory grew from its imports on, mapped "
    "files included. `again` is the same import of what is there: all is read and compared."
)
FOUND = (
    f"Nearest {K} documents of each question, by the inner product. Recall is the share of SciPy's "
    "that are found (documents of equal scores count for each other). Milliseconds are medians of "
    f"{ROUNDS} rounds over all questions, one at a time, of one thread."
)


def main(
    codes: Annotated[
        list[int] | None, typer.Option(help="may be repeated [default: 1 and 10 million]")
    ] = None,
    width: Annotated[int, typer.Option(help="names of features")] = 30_522,
    corpus: Path = DATA / "corpora" / "cranfield.parquet",
    queries: Path = DATA / "corpora" / "cranfield_queries.parquet",
    folder: Annotated[Path | None, typer.Option(help="where lakes are made for a while")] = None,
) -> None:
    """Measure imports and exports of codes by their number, and a search beside SciPy's."""
    tables = []
    sizes = codes or (1_000_000, 10_000_000)
    with tempfile.TemporaryDirectory(dir=folder, prefix="saelake-outside-") as made:
        rows = [measure(Path(made) / str(n), n, width) for n in sizes]
        tables.append(Table(title="JSON lines to a collection, and back", rows=rows, note=NOTE))
        if corpus.exists() and queries.exists():
            found = searched(Path(made) / "bm25", corpus, queries)
            tables.append(Table(title=f"BM25 of {corpus.stem}", rows=found, note=FOUND))
    publish("outside", tables, facts={"features": width, "codes a document": PER_DOCUMENT})


def measure(place: Path, n_codes: int, width: int) -> dict[str, Cell]:
    """A row of the table."""
    place.mkdir()
    file, lake = place / "vectors.jsonl", place / "lake"
    with file.open("w") as out:
        out.writelines(_lines(n_codes // PER_DOCUMENT, width))
    out_file = place / "out.jsonl"
    module = "benchmarks.growth.outside_runs"
    steps = {
        step: fresh(module, step, lake, out_file if step == "export" else file) for step in STEPS
    }
    exported = out_file.stat().st_size
    n = saelake.connect(lake)[COLLECTION].info().n_codes or 0
    grown = {f"{step} MiB": found["grown_bytes"] / MIB for step, found in steps.items()}
    return {
        "codes": n,
        "JSON MB": file.stat().st_size / 1e6,
        "lake MB": size_bytes(lake) / 1e6,
        "import codes/s": n / steps["import"]["seconds"],
        "again codes/s": n / steps["again"]["seconds"],
        "index codes/s": n / steps["index"]["seconds"],
        "export MB/s": exported / 1e6 / steps["export"]["seconds"],
        **grown,
    }


def _lines(n_documents: int, width: int) -> Iterator[str]:
    """Documents with a vector of about `PER_DOCUMENT` names."""
    random = np.random.default_rng(0)
    shares = 1 / np.arange(1, width + 1)
    bounds = np.cumsum(shares / shares.sum())
    names = [f'"t{i}"' for i in range(width)]
    for doc in range(n_documents):
        drawn = np.searchsorted(bounds, random.random(2 * PER_DOCUMENT))
        chosen = list(dict.fromkeys(drawn.tolist()))[:PER_DOCUMENT]
        values = random.integers(1, 400, len(chosen)) / 128
        pairs = (f"{names[f]}: {v}" for f, v in zip(chosen, values.tolist(), strict=True))
        yield f'{{"id": "d{doc}", "text": "document {doc}", "vector": {{{", ".join(pairs)}}}}}\n'


# -- BM25 as sparse vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Bm25:
    """The weights of a corpus: of each document a vector of its words, and of a question one."""

    texts: Sequence[str]
    counts: Sequence[Counter[str]]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Bm25":
        """Those of these texts."""
        return cls(texts=texts, counts=[Counter(WORD.findall(text.lower())) for text in texts])

    def vectors(self) -> list[dict[str, float]]:
        """The weight of each word in each document: its idf times its saturated frequency."""
        frequency = Counter(word for each in self.counts for word in each)
        lengths = [each.total() for each in self.counts]
        mean, n = statistics.mean(lengths), len(self.counts)
        idf = {w: float(np.log(1 + (n - f + 0.5) / (f + 0.5))) for w, f in frequency.items()}
        return [
            {
                word: idf[word] * f * (K1 + 1) / (f + K1 * (1 - B + B * length / mean))
                for word, f in each.items()
            }
            for each, length in zip(self.counts, lengths, strict=True)
        ]


def searched(place: Path, corpus: Path, queries: Path) -> list[Mapping[str, Cell]]:
    """A row for SciPy, and one for saelake."""
    documents = pq.read_table(corpus).to_pylist()
    kept = [row for row in documents if row["text"].strip()]
    vectors = Bm25.of([row["text"] for row in kept]).vectors()
    lake = saelake.connect(place)
    rows = [
        {"id": str(row["doc_id"]), "text": row["text"], "vector": vector}
        for row, vector in zip(kept, vectors, strict=True)
    ]
    lake.import_codes(rows, COLLECTION, keys="names", made_by="BM25")
    lake.index(COLLECTION)
    codes = lake[COLLECTION]
    names = {label.label: label.feature for label in codes.labels(k=None, explainers=["names"])}
    texts = pq.read_table(queries)["text"].to_pylist()
    asked = [
        {names[word]: 1.0 for word in set(WORD.findall(text.lower())) if word in names}
        for text in texts
    ]
    asked = [question for question in asked if question]
    matrix = _matrix(vectors, names)
    exact, scipy_ms = _rounds(asked, lambda question: _by_scipy(matrix, question))
    found, ours_ms = _rounds(
        asked, lambda q: {h.doc: h.score for h in codes.similar(features=q, measure="dot", k=K)}
    )
    recall = statistics.mean(
        _recall(ours, theirs) for ours, theirs in zip(found, exact, strict=True)
    )
    size = {"documents": len(kept), "questions": len(asked)}
    return [
        {"": "SciPy, every document", **size, f"recall at {K}": 1.0, "ms": scipy_ms},
        {"": "saelake similar", **size, f"recall at {K}": recall, "ms": ours_ms},
    ]


def _matrix(vectors: Sequence[Mapping[str, float]], names: Mapping[str, int]) -> sparse.csr_matrix:
    offsets = np.cumsum([0, *(len(vector) for vector in vectors)])
    columns = [names[word] for vector in vectors for word in vector]
    values = np.array([v for vector in vectors for v in vector.values()], np.float32)
    return sparse.csr_matrix((values, columns, offsets), shape=(len(vectors), max(columns) + 1))


def _by_scipy(matrix: sparse.csr_matrix, question: Mapping[int, float]) -> dict[int, float]:
    weights = np.zeros(matrix.shape[1], np.float32)
    weights[list(question)] = list(question.values())
    scores = matrix @ weights
    best = np.argsort(-scores, kind="stable")[:K]
    return dict(zip(best.tolist(), scores[best].tolist(), strict=True))


def _rounds(
    asked: Sequence[Question], search: Callable[[Question], Scores]
) -> tuple[list[Scores], float]:
    """What is found of each question, and the median milliseconds of one."""
    times: list[float] = []
    found: list[Scores] = []
    for _ in range(ROUNDS):
        found = []
        for question in asked:
            begun = time.perf_counter()
            found.append(search(question))
            times.append(1000 * (time.perf_counter() - begun))
    return found, statistics.median(times)


def _recall(ours: Mapping[int, float], theirs: Mapping[int, float]) -> float:
    """The share of the best scores that are reached, within what 16 bits round."""
    least = min(theirs.values()) * (1 - 2**-10)
    return sum(score >= least for score in ours.values()) / len(theirs)
