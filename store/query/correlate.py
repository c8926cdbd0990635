"""Which features fire in the same documents.

NPMI = ln(P_ij / (P_i P_j)) / -ln P_ij with P = count / n + 1e-10, over documents (arXiv
2512.10092; interp_embed's `calculate_npmi` adds the 1e-10 to the count). A pair that never fires
together has none.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeAlias

import numpy as np
import pyarrow as pa

from saelake.store.arrays import kernels
from saelake.store.codes.embeddings import Block, take
from saelake.store.codes.table import CodesTable
from saelake.store.documents.filters import DocumentMask
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array, concatenate
from saelake.store.index.bitmaps import Bitmap, n_words
from saelake.store.labels.labels import LabelsTable
from saelake.store.query.parts.frequencies import Count, frequencies
from saelake.store.query.parts.labelled import labels_of
from saelake.store.query.parts.pairs import Pairs, paired
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.snapshot.collection import Collection, check_same_dictionary
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

SMOOTHING = 1e-10
COUNTS_BYTES = 128 << 20  # of one pass; each pass reads all embeddings
TILE = 256, 128  # words and features whose bits are compared at a time, from a core's cache
LOOKS_PER_WORD = 8.0  # about how many words' bits are compared in the time of one look at a pair
STRIPE_BYTES = 1 << 20  # of counts that are added to at a time, to stay in a core's cache
DOCUMENTS_SAMPLED = 32  # in which a pair's tokens are compared
MOSTLY = 0.5
CANDIDATES = 20  # pairs whose tokens are compared, as a multiple of the pairs asked for

# Features a and b of pairs, and in how many documents both fire: parallel arrays int64 (n,).
Together: TypeAlias = tuple[Array, Array, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsFound:
    """Pairs of features: parallel arrays (n,); counts int64, `npmi` float64."""

    a: Array
    b: Array
    npmi: Array
    n_both: Array

    def __len__(self) -> int:
        return len(self.a)

    def __getitem__(self, index: "Array | slice") -> "PairsFound":
        return PairsFound(
            a=self.a[index], b=self.b[index], npmi=self.npmi[index], n_both=self.n_both[index]
        )

    @classmethod
    def joined(cls, parts: Sequence["PairsFound"]) -> "PairsFound":
        """The pairs of several parts."""
        return cls(
            a=concatenate((p.a for p in parts), np.int64),
            b=concatenate((p.b for p in parts), np.int64),
            npmi=concatenate((p.npmi for p in parts), np.float64),
            n_both=concatenate((p.n_both for p in parts), np.int64),
        )

    def strongest(self, k: int | None) -> "PairsFound":
        """The `k` with the largest NPMI, ties by the features."""
        if k is not None and k < len(self):
            least = np.partition(self.npmi, len(self) - k)[len(self) - k]
            return self[np.flatnonzero(self.npmi >= least)].strongest(None)[:k]
        features = self.a << 32 | self.b
        if (features[1:] < features[:-1]).any():
            return self[np.argsort(features)].strongest(None)
        return self[falling(self.npmi)]


def falling(values: Array) -> Array:
    """The order of falling values, int64 (n,); of equal ones the first first.

    Three sorts of one key each, which take a third of the time of one that keeps the order.
    """
    order = np.argsort(-values)
    changes = np.diff(values[order], prepend=np.inf) != 0
    keys = np.cumsum(changes) << 32 | order
    return np.sort(keys) & 0xFFFFFFFF


def npmi(n_both: Array, n_a: Array, n_b: Array, n: int) -> Array:
    """Normalised pointwise mutual information of counts of n documents, float64; 1 at n of n."""
    p_both, p_a, p_b = (count / n + SMOOTHING for count in (n_both, n_a, n_b))
    surprise = np.where(n_both < n, -np.log(p_both), 1)
    return np.where(n_both < n, np.log(p_both / (p_a * p_b)) / surprise, 1.0)


def correlate(session: Session, query: CorrelateQuery) -> pa.Table:
    """Pairs of features by NPMI, largest first, ties by the features.

    The schema's metadata says n, the documents (or pairs of documents). Raises `InvalidInput`
    for texts of which none are aligned.
    """
    a = session.select(query.a)
    a.collection.check_features(query.features)
    counting = _counting(session, a, query)
    labels = labels_of(session, a.collection)
    room = query.k
    if room is not None and query.adjacent == "drop":
        room *= CANDIDATES
    parts = (_unlike(part, labels, query) for part in co_firing(counting, query))
    if room is not None:
        parts = (part.strongest(room) for part in parts)
    found = PairsFound.joined(list(parts)).strongest(room)
    if query.adjacent == "drop":
        found = _apart(found, a, query.k)
    return _rows(found[: query.k], counting, labels)


# -- Ways to count: which documents, or pairs of them, are looked at, and in how many of them every
# two features fire.


class CoOccurrence(Protocol):
    """Counts of documents (or pairs of them), `n` in all.

    `n_a` and `n_b`, int64 (d_sae,), are those in which a feature of a pair's side fires.
    """

    n: int
    n_a: Array
    n_b: Array

    def pairs(self, least: int, most: float) -> Iterator[Together]:
        """Each pair of features that fires together in `least` documents or more, once.

        Of features that fire in at most `most`.
        """


def _counting(session: Session, a: Selected, query: CorrelateQuery) -> CoOccurrence:
    if query.b is not None:
        return Aligned(session, a, session.select(query.b), query)
    return Around(session, a, query.features) if query.features else Alone(session, a)


class Alone:
    """Co-occurrence inside one selection; of a pair the lower feature is first."""

    def __init__(self, session: Session, selected: Selected) -> None:
        self._session, self._selected = session, selected
        self.n, self.n_a = frequencies(session, selected)
        self.n_b = self.n_a

    def pairs(self, least: int, most: float) -> Iterator[Together]:
        """See `CoOccurrence`."""
        columns = _between(self.n_a, least, most)
        while len(columns):
            rows = columns[: _lines(columns)]
            counts = _summed(self._inside(len(rows), columns), rows, columns)
            yield from _together(counts, rows, columns, least)
            columns = columns[len(rows) :]

    def _inside(self, n_rows: int, columns: Array) -> Iterator[Array]:
        """The counts of each part of the documents, (n_rows, n_columns)."""
        work = _Inside(n_rows, columns, self._selected.width)
        bitmaps = self._session.embeddings.bitmaps(self._selected)
        if bitmaps is None:
            self._session.embeddings.hold(self._selected, "binary")
            return self._session.embeddings.map(self._selected, work, "binary")
        return self._session.executor.map(partial(work.of_bits, mask=self._selected.mask), bitmaps)


class Around(Alone):
    """Co-occurrence of some features with all, inside one selection; the lower feature first."""

    def __init__(self, session: Session, selected: Selected, features: Sequence[int]) -> None:
        super().__init__(session, selected)
        self._features = np.unique(np.array(features, np.int64))

    def pairs(self, least: int, most: float) -> Iterator[Together]:
        """See `CoOccurrence`."""
        columns = _between(self.n_a, least, most)
        rows = np.intersect1d(columns, self._features)
        for a, b, n_both in _crossing(self._counts, rows, columns, least):
            once = (a < b) | ((a > b) & ~np.isin(b, rows))
            yield np.minimum(a, b)[once], np.maximum(a, b)[once], n_both[once]

    def _counts(self, rows: Array, columns: Array) -> Array:
        work = _Across(rows, columns, self._selected.width)
        return _summed(self._session.embeddings.map(self._selected, work, "binary"), rows, columns)


class Aligned:
    """Co-occurrence between aligned documents of two selections."""

    def __init__(self, session: Session, a: Selected, b: Selected, query: CorrelateQuery) -> None:
        assert query.align is not None
        check_same_dictionary(a.collection, b.collection)
        self._session = session
        self._codes = a.collection.codes, b.collection.codes
        self._features = query.features
        self._pairs = _encoded(paired(a, b, query.align), a.collection, b.collection)
        self.n = len(self._pairs)
        if self.n == 0:
            raise InvalidInput(
                f"No document of {query.a} has the same {query.align} as one of {query.b}.",
                align=query.align,
            )
        self.n_a = self.n_b = np.zeros(a.width, np.int64)
        for fires_a, fires_b in session.executor.map(_PairFrequencies(*self._codes), self._chunks):
            self.n_a, self.n_b = self.n_a + fires_a, self.n_b + fires_b

    @property
    def _chunks(self) -> Iterator[Pairs]:
        return self._pairs.chunks()

    def pairs(self, least: int, most: float) -> Iterator[Together]:
        """See `CoOccurrence`."""
        rows, columns = (_between(n, least, most) for n in (self.n_a, self.n_b))
        if self._features:
            rows = np.intersect1d(rows, np.array(self._features, np.int64))
        return _crossing(self._counts, rows, columns, least)

    def _counts(self, rows: Array, columns: Array) -> Array:
        work = _PairCounts(_Across(rows, columns, len(self.n_a)), *self._codes)
        return _summed(self._session.executor.map(work, self._chunks), rows, columns)


def _encoded(pairs: Pairs, a: Collection, b: Collection) -> Pairs:
    """The pairs of which both sides have an embedding."""
    keep = np.isin(pairs.a, _documents(a.codes, pairs.a)) & np.isin(
        pairs.b, _documents(b.codes, pairs.b)
    )
    return Pairs(pairs.a[keep], pairs.b[keep])


def _documents(codes: CodesTable, docs: Array) -> Array:
    found = (
        take(codes, part, "binary").doc for part in np.array_split(docs, len(docs) // 4096 + 1)
    )
    return np.concatenate(list(found))


# -- Work on one block or chunk: a matrix of counts, by the faster of two ways. `_numbered` narrows
# a block to the features that are counted.


@dataclass(frozen=True, slots=True)
class _Inside:
    """Counts documents of a block in which the first of some features and later ones fire."""

    n_rows: int
    columns: Array
    d_sae: int

    def __call__(self, block: Block) -> Array:
        """Uint32 (n_rows, n_columns), above the diagonal."""
        kept = _numbered(block, self.columns, self.d_sae)
        if self._by_bits(kept):
            return self._shared(Bitmap.of(kept, len(self.columns)).bits)
        counts = self._zeros()
        cursor = kept.offsets[:-1].copy()
        for first, stripe in _stripes(counts):
            kernels.co_occurrences(cursor, kept.offsets, kept.features, first, stripe)
        return counts

    def of_bits(self, bitmap: Bitmap, mask: DocumentMask | None) -> Array:
        """Uint32 (n_rows, n_columns) of a bitmap, over the documents that a filter keeps."""
        return self._shared(bitmap.of_features(self.columns, mask))

    def _shared(self, bits: Array) -> Array:
        counts = self._zeros()
        kernels.shared_bits(bits, counts, *TILE)
        return counts

    def _zeros(self) -> Array:
        return np.zeros((self.n_rows, len(self.columns)), np.uint32)

    def _by_bits(self, block: Block) -> bool:
        """Whether a bit for every document and feature is faster than a look at each pair."""
        n_columns, words_each = len(self.columns), n_words(len(block))
        if 8 * n_columns * words_each > COUNTS_BYTES:
            return False
        sizes = np.diff(block.offsets).astype(np.float64)
        looks = (sizes @ sizes) / 2 * self.n_rows / max(n_columns, 1)
        words = self.n_rows * (n_columns - self.n_rows / 2) * words_each
        return bool(words < LOOKS_PER_WORD * looks)


@dataclass(frozen=True, slots=True)
class _Across:
    """Counts documents of a block in which features `rows[i]` and `columns[j]` fire."""

    rows: Array
    columns: Array
    d_sae: int

    def __call__(self, block: Block) -> Array:
        """Uint32 (n_rows, n_columns)."""
        return self.between(block, block)

    def between(self, a: Block, b: Block) -> Array:
        """Uint32 (n_rows, n_columns): `rows` fire in a, and `columns` in the same row of b."""
        left, right = _numbered(a, self.rows, self.d_sae), _numbered(b, self.columns, self.d_sae)
        counts = np.zeros((len(self.rows), len(self.columns)), np.uint32)
        cursor = left.offsets[:-1].copy()
        for first, stripe in _stripes(counts):
            kernels.cross_occurrences(
                cursor, left.offsets, left.features, right.offsets, right.features, first, stripe
            )
        return counts


@dataclass(frozen=True, slots=True)
class _PairCounts:
    """Counts pairs of documents in which two features fire, one on either side."""

    across: _Across
    a: CodesTable
    b: CodesTable

    def __call__(self, pairs: Pairs) -> Array:
        """Uint32 (n_rows, n_columns)."""
        a, b = take(self.a, pairs.a, "binary"), take(self.b, pairs.b, "binary")
        return self.across.between(a, b)


@dataclass(frozen=True, slots=True)
class _PairFrequencies:
    """Counts pairs of documents in which a feature fires, on either side."""

    a: CodesTable
    b: CodesTable

    def __call__(self, pairs: Pairs) -> tuple[Array, Array]:
        """Int64 (d_sae,) of a, and of b."""
        count = Count(self.a.settings.width)
        _, fires_a = count(take(self.a, pairs.a, "binary"))
        _, fires_b = count(take(self.b, pairs.b, "binary"))
        return fires_a, fires_b


def _numbered(block: Block, features: Array, d_sae: int) -> Block:
    """The block with only these ascending features, by their place among them."""
    keep = np.zeros(d_sae, np.bool_)
    keep[features] = True
    kept = block.within(keep)
    number = np.zeros(d_sae, np.uint32)
    number[features] = np.arange(len(features))
    return replace(kept, features=number[kept.features])


# -- Passes: all counts of every two features seldom fit in memory, so each pass over the documents
# counts some lines of them, and pairs that are often enough together are taken out.


def _lines(columns: Array) -> int:
    """How many lines of counts a pass has."""
    return max(COUNTS_BYTES // (4 * max(len(columns), 1)), 1)


def _stripes(counts: Array) -> Iterator[tuple[int, Array]]:
    """The lines of counts, some at a time, and which is the first of these."""
    step = max(STRIPE_BYTES // (counts.itemsize * max(counts.shape[1], 1)), 1)
    return ((first, counts[first : first + step]) for first in range(0, len(counts), step))


def _summed(parts: Iterator[Array], rows: Array, columns: Array) -> Array:
    total = np.zeros((len(rows), len(columns)), np.uint32)
    for part in parts:
        total += part
    return total


def _between(fires: Array, least: int, most: float) -> Array:
    """The features that fire in so many documents, ascending."""
    return np.flatnonzero((fires >= least) & (fires <= most))


def _crossing(
    count: Callable[[Array, Array], Array], rows: Array, columns: Array, least: int
) -> Iterator[Together]:
    """The pairs of one of `rows` and one of `columns`, in as many passes as the counts need."""
    step = _lines(columns)
    for first in range(0, len(rows), step):
        mine = rows[first : first + step]
        yield from _together(count(mine, columns), mine, columns, least)


def _together(counts: Array, rows: Array, columns: Array, least: int) -> Iterator[Together]:
    """The pairs of which `least` or more were counted."""
    for first, stripe in _stripes(counts):
        i, j = np.nonzero(stripe >= least)
        yield rows[first + i], columns[j], stripe[i, j].astype(np.int64)


def co_firing(counting: CoOccurrence, query: CorrelateQuery) -> Iterator[PairsFound]:
    """All pairs that fire together often enough and with a large enough NPMI, in parts."""
    most = query.max_coverage * counting.n
    for a, b, n_both in counting.pairs(query.min_documents, most):
        value = npmi(n_both, counting.n_a[a], counting.n_b[b], counting.n)
        yield PairsFound(a=a, b=b, npmi=value, n_both=n_both)[value >= query.min_npmi]


# -- Which of the pairs are told: not those whose labels are alike, nor those that fire side by side
# in the text.


def _unlike(found: PairsFound, labels: LabelsTable, query: CorrelateQuery) -> PairsFound:
    """The pairs whose labels are known to be unlike."""
    if query.max_label_similarity is None:
        return found
    return found[labels.similarity(found.a, found.b) <= query.max_label_similarity]


def _apart(found: PairsFound, selected: Selected, k: int | None) -> PairsFound:
    """The `k` first pairs that are not mostly on the same or neighbouring tokens."""
    kept: list[int] = []
    for i in range(len(found)):
        if len(kept) == k:
            break
        if _adjacent(selected.collection, selected.mask, found.a[i], found.b[i]) <= MOSTLY:
            kept.append(i)
    return found[np.array(kept, np.int64)]


def _adjacent(collection: Collection, mask: DocumentMask | None, a: int, b: int) -> float:
    """In what share of (a sample of) the documents the two fire on the same or the next token."""
    docs = np.intersect1d(collection.posting_list(a).doc, collection.posting_list(b).doc)
    if mask is not None:
        docs = docs[mask[docs]]
    sample = docs[np.linspace(0, len(docs) - 1, min(len(docs), DOCUMENTS_SAMPLED)).astype(int)]
    near = np.zeros(len(sample), np.bool_)
    for index, row in collection.codes.rows(sample):
        mine, theirs = row.occurrences(a)[0], row.occurrences(b)[0]
        if len(mine) and len(theirs):
            near[index] |= np.abs(mine[:, None] - theirs[None]).min() <= 1
    return float(near.mean()) if len(near) else 0.0


# -- The answer's rows.


def _rows(found: PairsFound, counting: CoOccurrence, labels: LabelsTable) -> pa.Table:
    n_a, n_b = counting.n_a[found.a], counting.n_b[found.b]
    columns = {
        "feature_a": found.a,
        "feature_b": found.b,
        "npmi": found.npmi,
        "n_a": n_a,
        "n_b": n_b,
        "n_both": found.n_both,
        "b_given_a": found.n_both / np.maximum(n_a, 1),
        "a_given_b": found.n_both / np.maximum(n_b, 1),
        "label_similarity": _similarity(labels, found),
        "label_a": labels.column(found.a),
        "label_b": labels.column(found.b),
    }
    table = pa.Table.from_pydict(columns, schema=CorrelateQuery.answer)
    return table.replace_schema_metadata({"n": str(counting.n)})


def _similarity(labels: LabelsTable, found: PairsFound) -> pa.Array:
    """The labels' cosine where both have an embedding, else null."""
    if not labels.are_embedded:
        return pa.nulls(len(found), pa.float32())
    similarity = labels.similarity(found.a, found.b)
    return pa.array(similarity, pa.float32(), mask=np.isnan(similarity))
