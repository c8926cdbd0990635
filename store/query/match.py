"""Which features of one dictionary do what features of another do, on the same tokens.

Over the n tokens of the documents that both have encoded (of samples, those in both), with a
feature's value 0 where it does not fire: Pearson's correlation of the values; or the Jaccard
similarity of the tokens at which the two fire. Both dictionaries must have cut the texts into the
same tokens.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from saelake.store.arrays import kernels
from saelake.store.codes.table import CodesTable
from saelake.store.documents.filters import DocumentMask
from saelake.store.errors import DictionaryMismatch, InvalidInput, NotFound
from saelake.store.format.lists import Array, Lists
from saelake.store.labels.labels import LabelsTable
from saelake.store.query.neighbors import decoder
from saelake.store.query.parts.labelled import kept_labels, labels_of
from saelake.store.query.parts.left_out import left_out
from saelake.store.query.parts.lengths import NOT_ENCODED, lengths
from saelake.store.query.parts.said import metadata
from saelake.store.requests.checks import Selection
from saelake.store.requests.match import MatchQuery
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

SUMS_BYTES = 128 << 20  # of products of one pass; each pass reads all codes
DOCUMENTS_AT_ONCE = 256
DOCUMENTS_PER_PIECE = 8192  # that one worker sums over


# -- Sums over tokens, of which counts and correlations are made: they can be added to, and merged.


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRows:
    """Codes by token: token i has `features[offsets[i]:offsets[i + 1]]`, ascending, and values."""

    offsets: Array
    features: Array
    values: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Over the tokens of one side, by feature (d_sae,): at how many it fires, int64; and sums.

    `sum` and `square` float64 are those of the values and of their squares.
    """

    count: Array
    sum: Array
    square: Array

    @classmethod
    def zero(cls, d_sae: int) -> "Side":
        """Of no tokens."""
        return cls(count=np.zeros(d_sae, np.int64), sum=np.zeros(d_sae), square=np.zeros(d_sae))

    def add(self, rows: TokenRows) -> None:
        """Add the codes of some tokens."""
        d_sae, values = len(self.sum), rows.values.astype(np.float64)
        self.count[:] += np.bincount(rows.features, minlength=d_sae)
        self.sum[:] += np.bincount(rows.features, values, d_sae)
        self.square[:] += np.bincount(rows.features, values**2, d_sae)

    def deviation(self, n: int) -> Array:
        """The standard deviation of each feature over n tokens; 0 where only rounding is left."""
        variance = (self.square - self.sum**2 / n) / n
        return np.sqrt(np.where(variance > 1e-12 * self.square / n, variance, 0))

    def merge(self, other: "Side") -> None:
        """Add what was summed of other tokens."""
        self.count[:] += other.count
        self.sum[:] += other.sum
        self.square[:] += other.square


@dataclass(slots=True, kw_only=True)
class Sums:
    """Sums over `n` tokens, of each side and of both.

    `products` float64 and `both` uint32 (n_rows, d_sae of b): the values' products, and the tokens
    at which both fire, of chosen features of a with all of b.
    """

    n: int
    a: Side
    b: Side
    products: Array
    both: Array

    @classmethod
    def zero(cls, d_a: int, d_b: int, n_rows: int) -> "Sums":
        """Of no tokens."""
        return cls(
            n=0,
            a=Side.zero(d_a),
            b=Side.zero(d_b),
            products=np.zeros((n_rows, d_b)),
            both=np.zeros((n_rows, d_b), np.uint32),
        )

    def add(self, a: TokenRows, b: TokenRows, number: Array) -> None:
        """Add the codes of the same tokens on both sides; feature f of a is row `number[f]`."""
        self.n += len(a.offsets) - 1
        self.a.add(a)
        self.b.add(b)
        kernels.cross_products(
            a.offsets,
            a.features,
            a.values,
            b.offsets,
            b.features,
            b.values,
            number,
            self.products,
            self.both,
        )

    def merge(self, other: "Sums") -> None:
        """Add what was summed over other tokens."""
        self.n += other.n
        self.a.merge(other.a)
        self.b.merge(other.b)
        self.products += other.products
        self.both += other.both


# -- The two ways to match: by the cosine of decoder directions, or over the tokens of a corpus that
# both dictionaries encoded.


def match(session: Session, query: MatchQuery) -> pa.Table:
    """For each feature of a the `k` best of b: best first within it, by feature of a.

    Features that never fire at one token are no match. Raises `InvalidInput` for collections of
    different corpora, `DictionaryMismatch` where their tokens differ or, for directions, spaces.
    """
    if query.by == "decoder":
        return _by_direction(session, query)
    a, b = session.collection(query.a), session.collection(query.b)
    a.check_features(query.features)
    chosen = np.unique(np.array(query.features or range(a.settings.width), np.int64))
    if a.name.corpus != b.name.corpus:
        raise InvalidInput(
            f"{a.name} and {b.name} are of different corpora; features are matched on the same "
            "tokens. Encode one corpus with both dictionaries, or match by decoder.",
            a=a.name,
            b=b.name,
        )
    selected = session.select(Selection(collection=query.a, where=query.where))
    mask = selected.mask
    parts = list(_by_tokens(session, _Both(a.codes, b.codes, mask), chosen, query))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    rows = _rows(labels_of(session, a), labels_of(session, b), columns)
    notes = _left_out(session, selected, Selected(b, mask), chosen, columns["feature_a"])
    return rows.replace_schema_metadata(metadata(notes=[*notes]))


def _left_out(
    session: Session, a: Selected, b: Selected, chosen: Array, matched: Array
) -> Iterator[str]:
    """How many documents only one side has, and how many features have no match."""
    in_a, in_b = (lengths(session, side) != NOT_ENCODED for side in (a, b))
    n = min(len(in_a), len(in_b))
    kept = np.ones(n, np.bool_) if a.mask is None else a.mask[:n]
    for side, mine, theirs in ((a, in_a, in_b), (b, in_b, in_a)):
        alone, where = int((mine[:n] & ~theirs[:n] & kept).sum()), side.collection.name
        yield from left_out(
            alone,
            f"document is encoded in {where} alone",
            f"documents are encoded in {where} alone",
        )
    neither = int((~in_a[:n] & ~in_b[:n] & kept).sum())
    yield from left_out(neither, "document is not encoded", "documents are not encoded")
    yield from left_out(
        len(np.setdiff1d(chosen, matched)),
        "feature of the first never fires at one token with one of the second",
        "features of the first never fire at one token with one of the second",
    )


def _rows(labels_a: LabelsTable, labels_b: LabelsTable, columns: Mapping[str, Array]) -> pa.Table:
    """The answer, with nulls for columns that there are none of."""
    n = len(columns["score"])
    arrays = {field.name: pa.nulls(n, field.type) for field in MatchQuery.answer} | dict(columns)
    for side, labels in (("a", labels_a), ("b", labels_b)):
        arrays[f"label_{side}"] = labels.column(columns[f"feature_{side}"])
    return pa.Table.from_pydict(arrays, schema=MatchQuery.answer)


def _by_direction(session: Session, query: MatchQuery) -> pa.Table:
    """Of two dictionaries, or of those of two collections."""
    names = [name.rpartition("/")[2] for name in (query.a, query.b)]
    mine, theirs = (decoder(session, name) for name in names)
    if mine.vectors.width != theirs.vectors.width:
        raise DictionaryMismatch(
            f"Decoder directions of {names[0]} have {mine.vectors.width} numbers, of {names[1]} "
            f"{theirs.vectors.width}: they are of different spaces. Match by activation.",
            a=names[0],
            b=names[1],
        )
    chosen = np.unique(np.array(query.features or mine.every(), np.int64))
    unknown = chosen[~np.isin(chosen, mine.every())]
    if len(unknown):
        raise NotFound(f"{names[0]} has no feature {unknown[0]}.", feature=unknown[0])
    poles, cosines = theirs.nearest(mine.of(chosen), query.k)
    found = poles.reshape(-1) >= 0
    columns = {
        "feature_a": np.repeat(chosen, poles.shape[1])[found],
        "feature_b": poles.reshape(-1)[found],
        "score": cosines.reshape(-1)[found].astype(np.float64),
    }
    labels_a, labels_b = (_labels(session, name) for name in (query.a, query.b))
    return _rows(labels_a, labels_b, columns)


def _labels(session: Session, name: str) -> LabelsTable:
    """The labels of a dictionary, or as the corpus of a collection sees them."""
    corpus, _, dictionary = name.rpartition("/")
    return kept_labels(session, dictionary, corpus or None)


def _by_tokens(
    session: Session, both: "_Both", chosen: Array, query: MatchQuery
) -> Iterator[Mapping[str, Array]]:
    """The columns of the matches of some features, then of the next."""
    step = max(SUMS_BYTES // (12 * both.b.settings.width), 1)
    for first in range(0, len(chosen), step):
        rows = chosen[first : first + step]
        sums = _summed(session, both, rows)
        score = _correlation(sums, rows) if query.by == "activation" else _jaccard(sums, rows)
        score[sums.both == 0] = -np.inf
        best = np.argsort(-score, axis=1, kind="stable")[:, : query.k]
        i, j = np.repeat(np.arange(len(rows)), best.shape[1]), best.reshape(-1)
        kept = np.isfinite(score[i, j])
        i, j = i[kept], j[kept]
        yield {
            "feature_a": rows[i],
            "feature_b": j,
            "score": score[i, j],
            "n_a": sums.a.count[rows[i]],
            "n_b": sums.b.count[j],
            "n_both": sums.both[i, j],
        }


def _correlation(sums: Sums, rows: Array) -> Array:
    """Pearson's r of features `rows` of a with all of b, float64; 0 where one never changes."""
    n = max(sums.n, 1)
    mean_a, mean_b = sums.a.sum[rows] / n, sums.b.sum / n
    scale = sums.a.deviation(n)[rows][:, None] * sums.b.deviation(n)
    shared = sums.products / n - mean_a[:, None] * mean_b
    r: Array = np.divide(shared, scale, out=np.zeros_like(shared), where=scale > 0)
    return np.clip(r, -1, 1)


def _jaccard(sums: Sums, rows: Array) -> Array:
    either = sums.a.count[rows][:, None] + sums.b.count - sums.both.astype(np.int64)
    share: Array = sums.both / np.maximum(either, 1)
    return share


# -- Reading both sides: the codes of the same tokens, a range of documents to each worker.


def _summed(session: Session, both: "_Both", rows: Array) -> Sums:
    """The sums over all tokens, for these features of a."""
    d_a, d_b = both.a.settings.width, both.b.settings.width
    sums = Sums.zero(d_a, d_b, len(rows))
    for part in session.executor.map(_Summing(both, rows), both.ranges()):
        sums.merge(part)
    return sums


@dataclass(frozen=True, slots=True)
class _Summing:
    """Sums over the tokens of a range of documents, for some features of a."""

    both: "_Both"
    rows: Array

    def __call__(self, docs: tuple[int, int]) -> Sums:
        """The sums."""
        d_a, d_b = self.both.a.settings.width, self.both.b.settings.width
        number = np.full(d_a, -1, np.int64)
        number[self.rows] = np.arange(len(self.rows))
        sums = Sums.zero(d_a, d_b, len(self.rows))
        for a, b in self.both.tokens(*docs):
            sums.add(a, b, number)
        return sums


@dataclass(frozen=True, slots=True)
class _Both:
    """Codes of one corpus in two dictionaries, and which documents are meant (None: all)."""

    a: CodesTable
    b: CodesTable
    mask: DocumentMask | None

    def ranges(self) -> Iterator[tuple[int, int]]:
        """The documents of a in ranges, each for one worker."""
        for begin, end in self.a.locations.ranges():
            for first in range(begin, end, DOCUMENTS_PER_PIECE):
                yield first, min(first + DOCUMENTS_PER_PIECE, end)

    def tokens(self, begin: int, end: int) -> Iterator[tuple[TokenRows, TokenRows]]:
        """The codes of the same tokens on both sides, some documents at a time."""
        for first in range(begin, end, DOCUMENTS_AT_ONCE):
            docs = np.arange(first, min(first + DOCUMENTS_AT_ONCE, end), dtype=np.uint64)
            docs = docs if self.mask is None else docs[self.mask[docs]]
            a, b = _read(self.a, docs), _read(self.b, docs)
            key_a, key_b = _keys(a), _keys(b)
            a = a.filter(pa.array(np.isin(key_a, key_b)))
            b = b.filter(pa.array(np.isin(key_b, key_a)))
            self._check_same_tokens(a, b)
            held = self.a.held.mask(a) & self.b.held.mask(b)
            yield _token_rows(a, self.a, held), _token_rows(b, self.b, held)

    def _check_same_tokens(self, a: pa.Table, b: pa.Table) -> None:
        mine, theirs = Lists.of(a["token_ids"]), Lists.of(b["token_ids"])
        if np.array_equal(mine.offsets, theirs.offsets) and np.array_equal(
            mine.values, theirs.values
        ):
            return
        names = self.a.settings.name, self.b.settings.name
        raise DictionaryMismatch(
            f"{names[0]} and {names[1]} cut the texts into different tokens (other models, "
            "windows or special tokens), so their features cannot be matched on them.",
            a=names[0],
            b=names[1],
        )


def _read(codes: CodesTable, docs: Array) -> pa.Table:
    """The rows of those of the documents that could be encoded."""
    columns = ["doc", "error", "token_ids", "features", "counts", "positions", "values"]
    _, rows = codes.take(docs, columns)
    return rows.filter(rows["error"].is_null()).combine_chunks()


def _keys(rows: pa.Table) -> Array:
    """What tells a row of one side from its others: document and part."""
    keys: Array = rows["doc"].to_numpy() << np.uint64(16) | rows["part"].to_numpy()
    return keys


def _token_rows(rows: pa.Table, codes: CodesTable, held: Array) -> TokenRows:
    """The codes of the tokens that are held by both sides, bool (n_tokens,)."""
    features, positions = Lists.of(rows["features"]), Lists.of(rows["positions"])
    feature = np.repeat(features.values, Lists.of(rows["counts"]).values)
    tokens = Lists.of(rows["token_ids"])
    token = tokens.offsets[positions.rows] + positions.values
    order = np.lexsort((feature, token))
    order = order[held[token[order]]]
    return TokenRows(
        offsets=np.searchsorted(token[order], np.append(np.flatnonzero(held), len(held))),
        features=feature[order],
        values=codes.codec.decode(Lists.of(rows["values"]).values)[order],
    )
