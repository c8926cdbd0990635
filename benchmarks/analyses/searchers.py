"""Who finds the documents nearest to a document: saelake whole, its search alone, and its peers."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.analyses.peer import Peer, Reply
from benchmarks.analyses.rows import Rows
from benchmarks.analyses.subject import Filter, as_blocks, documents_of
from benchmarks.common.measure import Stretch
from saelake.store.codes.embeddings import Block
from saelake.store.engine import Engine
from saelake.store.format.lists import Array
from saelake.store.index.impacts import (
    BUDGETS,
    CANDIDATES,
    EVERYTHING,
    LEAST_CANDIDATES,
    SELECTIVE,
    ImpactIndex,
)
from saelake.store.query.parts.found import Found
from saelake.store.query.similar import Query
from saelake.store.requests.similar import SimilarQuery

K = 10
VALUE_BYTES = 8  # a feature's number and its value
POSTING_BYTES = 2  # a row's number, inside its block


@dataclass(frozen=True, slots=True)
class Answer:
    """The documents found, and the seconds it took."""

    docs: tuple[int, ...]
    seconds: float


class Searcher(Protocol):
    """Something that finds the K documents with the largest cosine."""

    @property
    def name(self) -> str:
        """What its rows are called."""

    def nearest(self, row: int, kept: Filter) -> Answer:
        """Those nearest to the document in that row, of the documents that the filter keeps."""

    def least_bytes(self, kept: Filter) -> int | None:
        """How much of the embeddings or of an index a question has to read; None: not known."""


def timed(find: Callable[[], Sequence[int] | Array]) -> Answer:
    """What a function finds, and how long it takes."""
    begun = time.perf_counter()
    docs = find()
    seconds = time.perf_counter() - begun
    return Answer(tuple(int(doc) for doc in docs), seconds)


class Asked:
    """saelake as a user asks it: hits with text, metadata and the features that explain them."""

    def __init__(
        self, engine: Engine, collection: str, alone: "Exact | Approximate", *, exact: bool
    ) -> None:
        self.name = alone.name
        self._engine = engine
        self._collection = collection
        self._alone = alone
        self._exact = exact

    def nearest(self, row: int, kept: Filter) -> Answer:
        """All hits, read to the end."""
        doc = int(self._alone.rows.docs[row])
        return timed(lambda: self._hits(doc, kept))

    def least_bytes(self, kept: Filter) -> int | None:
        """That of the search alone."""
        return self._alone.least_bytes(kept)

    def _hits(self, doc: int, kept: Filter) -> Sequence[int]:
        query = SimilarQuery(
            collection=self._collection, docs=(doc,), where=kept.where, k=K, exact=self._exact
        )
        found: list[int] = self._engine.ask(query).read_all()["doc"].to_pylist()
        return found


def query_of(rows: Rows, row: int) -> Query:
    """The question, as `store.query.similar` has it."""
    features, values = rows.unit(row)
    dense = np.zeros(int(rows.d_sae), np.float32)
    dense[features] = values
    return Query(values=dense, weights=np.ones(int(rows.d_sae), np.float32), measure="cosine")


class Exact:
    """saelake's search alone, of every document."""

    name = "saelake, exact"

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self._blocks = as_blocks(rows)

    def nearest(self, row: int, kept: Filter) -> Answer:
        """The nearest, by cosine; ties by document."""
        return timed(lambda: self._found(row, kept).doc)

    def least_bytes(self, kept: Filter) -> int:
        """All values of the documents kept."""
        return round(kept.share * len(self.rows.values) * VALUE_BYTES)

    def scores(self, row: int, kept: Filter) -> Found:
        """All documents kept that share a feature with the row's, but this, in no order."""
        made = query_of(self.rows, row)
        parts = [Found.best(*self._scored(made, block, kept), None) for block in self._blocks]
        return Found.joined(parts).without(self.rows.docs[row : row + 1])

    def _found(self, row: int, kept: Filter) -> Found:
        made = query_of(self.rows, row)
        parts = [Found.best(*self._scored(made, block, kept), K + 1) for block in self._blocks]
        return _answered(parts, self.rows.docs[row])

    def _scored(self, made: Query, block: Block, kept: Filter) -> tuple[Array, Array]:
        if kept.mask is None or kept.share <= SELECTIVE:
            return made(block.kept(kept.mask))
        docs, scores = made(block)  # as the engine: less work than to copy most of the rows
        keep = kept.mask[docs]
        return docs[keep], scores[keep]


class Approximate:
    """saelake's search alone, by impact-ordered posting lists."""

    name = "saelake, approximate"

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        ones = np.ones(int(rows.d_sae), np.float32)
        self._index = ImpactIndex.of(as_blocks(rows), ones)

    @property
    def budget(self) -> int:
        """Postings a document; 0 where none finds enough, and the product compares exactly."""
        return self._index.budget or 0

    def nearest(self, row: int, kept: Filter) -> Answer:
        """Nearly the nearest, by cosine; ties by document."""
        return timed(lambda: self._found(row, kept).doc)

    def least_bytes(self, kept: Filter) -> int:
        """The postings in the budget and the candidates' values; of few documents, all values."""
        n_values = len(self.rows.values)
        if kept.share <= SELECTIVE:
            return round(kept.share * n_values * VALUE_BYTES)
        n_candidates = len(self._index.blocks) * max(CANDIDATES * (K + 1), LEAST_CANDIDATES)
        per_document = n_values / max(len(self.rows), 1)
        postings = self.budget * len(self.rows) * POSTING_BYTES
        return round(postings + n_candidates * per_document * VALUE_BYTES)

    def _found(self, row: int, kept: Filter) -> Found:
        query = query_of(self.rows, row)
        parts = [
            Found.best(
                *impacts.nearest(
                    query.values,
                    query.weights,
                    K + 1,
                    _mask(kept, impacts.block),
                    self.budget or BUDGETS[-1],
                ),
                K + 1,
            )
            for impacts in self._index.blocks
        ]
        return _answered(parts, self.rows.docs[row])


def _mask(kept: Filter, block: Block) -> Array:
    return EVERYTHING if kept.mask is None else kept.mask[block.doc]


def _answered(parts: Sequence[Found], asked: np.uint64) -> Found:
    return Found.joined(parts).best_of(K + 1).without(np.array([asked]))[:K]


class SciPy:
    """A CSR matrix of unit rows times a dense vector, and `argpartition`; filters by a mask."""

    name = "SciPy"

    def __init__(self, rows: Rows) -> None:
        stretch = Stretch()
        values = rows.values / np.repeat(rows.lengths, np.diff(rows.offsets))
        arrays = values, rows.features.view(np.int32), rows.offsets
        self._rows = rows
        self._matrix = csr_matrix(arrays, (len(rows), int(rows.d_sae)))
        self.built: Reply = {**stretch.stop(), "n_bytes": rows.n_bytes}

    def nearest(self, row: int, kept: Filter) -> Answer:
        """The nearest, ties in no order."""
        return timed(lambda: self._found(row, kept))

    def least_bytes(self, _: Filter) -> int:
        """All values of the matrix."""
        return len(self._rows.values) * VALUE_BYTES

    def _found(self, row: int, kept: Filter) -> Sequence[int]:
        score = self._matrix @ query_of(self._rows, row).values
        score[row] = -1
        if kept.mask is not None:
            score[~kept.mask[self._rows.docs]] = -1
        best = np.argpartition(score, -K)[-K:]
        return documents_of(best[score[best] > 0], self._rows)


class Other:
    """A peer in a process of its own, which times itself; it answers with ids and no texts."""

    def __init__(self, name: str, peer: Peer, rows: Rows, **settings: float) -> None:
        self.name = name
        self._peer = peer
        self._rows = rows
        self._settings = settings

    def nearest(self, row: int, kept: Filter) -> Answer:
        """The nearest; it can keep no filter."""
        assert kept.mask is None, "this contender has no metadata"
        reply = self._peer.ask(row=row, k=K + 1, **self._settings)
        others = [found for found in reply["rows"] if found != row][:K]
        return Answer(documents_of(others, self._rows), reply["seconds"])

    def least_bytes(self, _: Filter) -> None:
        """Its layout is its own."""
        return
