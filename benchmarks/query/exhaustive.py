"""Answers of `tokens` by brute force: every token of every document, a batch of rows at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array, Lists
from saelake.store.query.parts.expression import Expression, FeatureTerm, parse
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.collection import Collection

COLUMNS = ("doc", "token_ids", "features", "counts", "positions", "values")
NOTHING = np.float32(-np.inf)


def strongest(collection: Collection, queries: Sequence[TokensQuery]) -> list[Array]:
    """The values of the strongest documents of each question, falling; all codes are read once.

    Of documents of one part each.
    """
    asked = [_Asked(query, parse(query.expression), collection) for query in queries]
    for batch in collection.codes.scan(COLUMNS):
        rows = _Rows.of(batch, collection.codes.codec.decode)
        for each in asked:
            each.add(rows)
    return [each.values for each in asked]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Some documents: their tokens lie end to end, `n_tokens` of each; codes are by feature."""

    docs: Array
    n_tokens: Array
    features: Array
    tokens: Array
    values: Array

    @classmethod
    def of(cls, batch: pa.RecordBatch, decode: Callable[[Array], Array]) -> "_Rows":
        """The rows of a batch of codes."""
        n_tokens = Lists.of(batch["token_ids"]).lengths
        first = np.cumsum(n_tokens) - n_tokens
        values = Lists.of(batch["values"])
        feature = np.repeat(Lists.of(batch["features"]).values, Lists.of(batch["counts"]).values)
        order = np.argsort(feature, kind="stable")
        token = first[values.rows] + Lists.of(batch["positions"]).values
        return cls(
            docs=np.asarray(batch["doc"]).astype(np.int64),
            n_tokens=n_tokens,
            features=feature[order],
            tokens=token[order],
            values=decode(values.values[order]),
        )

    @property
    def first(self) -> Array:
        """The first token of each document, and the end."""
        return np.append(0, np.cumsum(self.n_tokens))

    def dense(self, feature: int) -> Array:
        """The value of a feature at each token, -inf where it does not fire."""
        begin, end = np.searchsorted(self.features, [feature, feature + 1])
        values = np.full(int(self.first[-1]), NOTHING, np.float32)
        values[self.tokens[begin:end]] = self.values[begin:end]
        return values


@dataclass(slots=True)
class _Asked:
    """A question, and the strongest documents of those seen so far."""

    query: TokensQuery
    expression: Expression
    collection: Collection
    values: Array = field(default_factory=lambda: np.empty(0, np.float32))

    @property
    def mask(self) -> DocumentMask | None:
        return self.collection.filters.mask(self.query.where)

    def add(self, rows: _Rows) -> None:
        """Look at every token of some documents."""
        around = {term: self._around(term, rows) for term in self.expression.features()}
        value = self.expression.evaluate(lambda term: around[term])
        hits = np.zeros(len(value), np.bool_)
        for term in self.expression.positive():
            hits |= term.holds(rows.dense(term.number))
        best = _by_document(np.where(hits, value, NOTHING), rows, NOTHING)
        if self.mask is not None:
            best[~self.mask[rows.docs]] = NOTHING
        found = np.concatenate([self.values, best[best > NOTHING]])
        self.values = -np.sort(-found)[: self.query.k]

    def _around(self, term: FeatureTerm, rows: _Rows) -> Array:
        """The feature's largest value within reach of each token."""
        values = rows.dense(term.number)
        scope, _, width = self.query.scope.partition(":")
        if scope == "document":
            return np.repeat(_by_document(values, rows, NOTHING), rows.n_tokens)
        document = np.repeat(np.arange(len(rows.docs)), rows.n_tokens)
        found = values.copy()
        for step in range(1, int(width or 0) + 1):
            same = document[step:] == document[:-step]
            found[step:][same] = np.maximum(found[step:], values[:-step])[same]
            found[:-step][same] = np.maximum(found[:-step], values[step:])[same]
        return found


def _by_document(values: Array, rows: _Rows, nothing: np.float32) -> Array:
    """The largest of each document's values."""
    found = np.full(len(rows.docs), nothing, np.float32)
    has = np.flatnonzero(rows.n_tokens)
    if len(has):
        found[has] = np.maximum.reduceat(values, rows.first[has])
    return found
