"""Which tokens fire a feature, or an expression of features."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saelake.store.codes.table import CodeRow
from saelake.store.documents.filters import DocumentMask
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array, concatenate
from saelake.store.format.poles import Poles
from saelake.store.format.schema import TIERS
from saelake.store.index.segments import PostingList, Segment
from saelake.store.query.parts.expression import (
    NOTHING,
    Expression,
    FeatureTerm,
    alternatives,
    parse,
    signs,
)
from saelake.store.query.parts.matches import TokensFound
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.collection import Collection

DOCUMENTS_PER_READ = 64
WHOLE_DOCUMENT = 1 << 40  # a window that no document exceeds
_SCOPE = re.compile(r"token|document|window:(\d+)")


def search(collection: Collection, query: TokensQuery) -> TokensFound:
    """The matches that the query asks for, in its order.

    Raises `InvalidExpression`, `InvalidFilter`, `InvalidInput` and `NotFound` (of a feature).
    """
    expression = parse(query.expression, collection.settings.poles, str(collection.name))
    reach = _reach(query.scope)
    mask = collection.filters.mask(query.where)
    terms = alternatives(expression)
    if terms is not None and query.order == "top" and query.k is not None:
        return _strongest_of_any(collection, expression, terms, query, reach, mask)
    candidates = _Candidates.of(collection, expression, mask)
    if query.per == "document" and reach == WHOLE_DOCUMENT:
        found = candidates.whole_documents()
    else:
        k = query.k if query.order == "top" else None
        found = _evaluated(collection, candidates, reach, query.per == "document", k)
    if query.order == "quantiles":
        return found.spread(query.k or len(found))
    return found.strongest(query.k)


def _reach(scope: str) -> int:
    """How many tokens away the features of a hit may be."""
    match = _SCOPE.fullmatch(scope)
    if not match:
        raise InvalidInput(
            f"{scope!r} is no scope: use token, document, or window:N, as in window:5.",
            scope=scope,
        )
    if scope == "document":
        return WHOLE_DOCUMENT
    return int(match[1] or 0)


def _strongest_of_any(
    collection: Collection,
    expression: Expression,
    terms: Sequence[FeatureTerm],
    query: TokensQuery,
    reach: int,
    mask: DocumentMask | None,
) -> TokensFound:
    """The top k of a single feature, or of two of which either is enough.

    The k strongest tokens lie in the k documents with the largest maxima: each of those has a
    token at least as strong, so only they need to be read (DESIGN.md, "What each query means").
    """
    k = query.k or 0
    found = [_strongest_of(collection, term, k, mask) for term in terms]
    matches = found[0]
    if len(found) > 1:
        matches = TokensFound.joined(found).best_of_each().strongest(k)
    if query.per == "document" or len(matches) == 0:
        return matches
    candidates = _Candidates.ranked(
        expression, collection.settings.poles, matches.doc, matches.value
    )
    return _evaluated(collection, candidates, reach, best_only=False, k=k).strongest(k)


def _strongest_of(
    collection: Collection, term: FeatureTerm, k: int, mask: DocumentMask | None
) -> TokensFound:
    """The best tokens of the k documents in which a pole is strongest, as strong as asked."""
    best = strongest_postings(collection, term.number, k, mask)
    values = collection.codes.codec.decode(best.max)
    sign = np.full(len(best), collection.settings.poles.signs(np.array([term.number]))[0])
    return TokensFound.of_postings(best, values, sign)[term.holds(values)]


def strongest_postings(
    collection: Collection, feature: int, k: int, mask: DocumentMask | None
) -> PostingList:
    """The k strongest postings of a feature in documents that `mask` keeps, strongest first.

    Reads one tier after another, and only of the segments whose next tier can still matter.
    """
    best = _top(_kept(collection.unindexed_postings(feature), mask), k)
    dtype = collection.codes.codec.dtype
    open_segments = collection.segments
    for tier, size in enumerate((*TIERS, math.inf)):
        if not open_segments:
            break
        lists = collection.tier(feature, tier, open_segments)
        best = _top(PostingList.joined([best, *(_kept(p, mask) for p in lists)], dtype), k)
        open_segments = _unfinished(open_segments, lists, size, best, k)
    return best


def _kept(postings: PostingList, mask: DocumentMask | None) -> PostingList:
    return postings if mask is None else postings[mask[postings.doc]]


def _top(postings: PostingList, k: int) -> PostingList:
    return postings[np.lexsort((postings.doc, -postings.max.astype(np.int32)))[:k]]


def _unfinished(
    segments: Iterable[Segment],
    lists: Iterable[PostingList],
    size: float,
    best: PostingList,
    k: int,
) -> tuple[Segment, ...]:
    """The segments whose next tier may hold a posting stronger than the k-th best so far.

    A tier's weakest posting bounds the next tier; one of fewer than `size` has none after it.
    """
    tiers = [(s, tier) for s, tier in zip(segments, lists, strict=True) if len(tier) == size]
    if len(best) < k:
        return tuple(segment for segment, _ in tiers)
    return tuple(segment for segment, tier in tiers if tier.max.min() >= best.max[-1])


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Documents in which the expression may hold, the most promising first.

    `bound` float32 is at least the value of any token of the document; `postings` are those of
    the expression's features there.
    """

    expression: Expression
    poles: Poles
    docs: npt.NDArray[np.uint64]
    bound: npt.NDArray[np.float32]
    value_of: Callable[[FeatureTerm], Array]
    postings: dict[int, PostingList]

    @classmethod
    def of(
        cls, collection: Collection, expression: Expression, mask: DocumentMask | None
    ) -> "_Candidates":
        """The documents that have the features that the expression needs."""
        numbers = {feature.number for feature in expression.features()}
        postings = {n: _kept(collection.posting_list(n), mask) for n in numbers}
        needed = [postings[feature.number].doc for feature in expression.positive()]
        docs = np.unique(concatenate(needed, np.uint64))

        def value_of(feature: FeatureTerm) -> Array:
            found = postings[feature.number]
            values = np.full(len(docs), NOTHING, np.float32)
            at = np.searchsorted(docs, found.doc)
            inside = (at < len(docs)) & (docs[np.minimum(at, len(docs) - 1)] == found.doc)
            values[at[inside]] = collection.codes.codec.decode(found.max[inside])
            return values

        bound = expression.bound(value_of)
        return cls(expression, collection.settings.poles, docs, bound, value_of, postings)

    @classmethod
    def ranked(
        cls, expression: Expression, poles: Poles, docs: Array, bound: Array
    ) -> "_Candidates":
        """Documents whose bounds are known."""
        return cls(expression, poles, docs, bound, lambda _: bound, {})

    def whole_documents(self) -> TokensFound:
        """One match for each document in which the expression holds, from the postings alone."""
        value = self.expression.evaluate(self.value_of)
        own = np.full(len(self.docs), NOTHING, np.float32)
        position = np.zeros(len(self.docs), np.int64)
        own_sign = np.ones(len(self.docs), np.float32)
        start, length = np.full_like(position, -1), np.full_like(position, -1)
        for feature in self.expression.positive():
            found = self.postings[feature.number]
            held = feature.evaluate(self.value_of)[np.searchsorted(self.docs, found.doc)]
            at = np.searchsorted(self.docs, found.doc)
            earlier = found.position < position[at]
            better = (held > own[at]) | ((held == own[at]) & (held > NOTHING) & earlier)
            chosen = at[better]
            own[chosen], position[chosen] = held[better], found.position[better]
            start[chosen], length[chosen] = found.start[better], found.length[better]
            own_sign[chosen] = self.poles.signs(np.array([feature.number]))
        sign = signs(self.expression, self.value_of, value, self.poles)
        matches = TokensFound(
            doc=self.docs,
            position=position,
            value=value,
            sign=np.where(own == value, own_sign, sign),
            own=own,
            start=start,
            length=length,
        )
        return matches[(value > NOTHING) & (own > NOTHING)]

    def reads(self) -> Iterator[tuple[Array, float]]:
        """Documents to read next, ascending, and the largest bound of all that come later."""
        possible = np.flatnonzero(self.bound > NOTHING)
        order = possible[np.lexsort((self.docs[possible], -self.bound[possible]))]
        for begin in range(0, len(order), DOCUMENTS_PER_READ):
            now = order[begin : begin + DOCUMENTS_PER_READ]
            later = order[begin + DOCUMENTS_PER_READ :]
            ahead = float(self.bound[later[0]]) if len(later) else -np.inf
            yield np.sort(self.docs[now]), ahead


def _evaluated(
    collection: Collection, candidates: _Candidates, reach: int, best_only: bool, k: int | None
) -> TokensFound:
    """The matches in the candidate documents; of each document all, or only the best.

    With `k`, stops when no later document can have a match among the k strongest.
    """
    found = TokensFound.joined([])
    for docs, ahead in candidates.reads():
        pieces = [
            _document_matches(int(docs[index]), rows, candidates, reach, best_only)
            for index, rows in _by_document(collection.codes.rows(docs))
        ]
        found = TokensFound.joined([found, *pieces])
        if k is not None:
            found = found.strongest(k)
            if len(found) == k and found.value[-1] > ahead:
                break
    return found


def _by_document(rows: Iterable[tuple[int, CodeRow]]) -> Iterator[tuple[int, list[CodeRow]]]:
    parts: dict[int, list[CodeRow]] = {}
    for index, row in rows:
        parts.setdefault(index, []).append(row)
    yield from parts.items()


def _document_matches(
    doc: int, rows: list[CodeRow], candidates: _Candidates, reach: int, best_only: bool
) -> TokensFound:
    expression = candidates.expression
    fired = {f.number: _occurrences(rows, f.number) for f in expression.features()}
    positive = list(expression.positive())
    held = [_where(f, *fired[f.number]) for f in positive]
    anchors = np.unique(concatenate((positions for positions, _ in held), np.int64))

    def value_of(feature: FeatureTerm) -> Array:
        return _window_maxima(*fired[feature.number], anchors, reach)

    value = expression.evaluate(value_of)
    at = np.stack([_window_maxima(*found, anchors, 0) for found in held])
    own = at.max(axis=0)
    holds = value > NOTHING
    sign = signs(expression, value_of, value, candidates.poles)
    if candidates.poles.signed:  # where the token itself is as strong, its own
        own_sign = candidates.poles.signs(np.array([f.number for f in positive]))
        sign = np.where(own == value, own_sign[at.argmax(axis=0)], sign)
    matches = TokensFound.at(doc, anchors[holds], value[holds], sign[holds], own[holds])
    if not best_only:
        return matches
    return matches[np.lexsort((matches.position, -matches.own, -matches.value))[:1]]


def _occurrences(rows: list[CodeRow], number: int) -> tuple[Array, Array]:
    found = [row.occurrences(number) for row in rows]
    positions = concatenate((p for p, _ in found), np.int64)
    return positions, concatenate((v for _, v in found), np.float32)


def _where(feature: FeatureTerm, positions: Array, values: Array) -> tuple[Array, Array]:
    holds = feature.holds(values)
    return positions[holds], values[holds]


def _window_maxima(positions: Array, values: Array, anchors: Array, reach: int) -> Array:
    """The largest value within `reach` tokens of each anchor, -inf where there is none."""
    low = np.searchsorted(positions, anchors - reach, side="left")
    high = np.searchsorted(positions, anchors + reach, side="right")
    if len(anchors) == 0:
        return np.empty(0, np.float32)
    padded = np.append(values, NOTHING)  # so that every bound is an index
    maxima = np.maximum.reduceat(padded, np.stack([low, high], axis=1).reshape(-1))[::2]
    return np.where(low < high, maxima, NOTHING).astype(np.float32)
