"""Which tokens fire a feature, or an expression of features."""

import math
import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from saelake.store.documents.filters import DocumentMask
from saelake.store.errors import InvalidInput
from saelake.store.format.schema import TIERS
from saelake.store.index.segments import PostingList, Segment
from saelake.store.query.parts.candidates import WHOLE_DOCUMENT, Asked
from saelake.store.query.parts.combined import Combined
from saelake.store.query.parts.expression import FeatureTerm, parse
from saelake.store.query.parts.matches import TokensFound
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.collection import Collection

LONGEST_WINDOW = 9  # digits: a document has no more tokens
_SCOPE = re.compile(r"token|document|window:(\d+)")


def search(collection: Collection, query: TokensQuery) -> TokensFound:
    """The matches that the query asks for, in its order.

    Raises `InvalidExpression`, `InvalidFilter`, `InvalidInput` and `NotFound` (of a feature).
    """
    expression = parse(query.expression, collection.settings.poles, str(collection.name))
    reach = _reach(query.scope)
    mask = collection.filters.mask(query.where)
    k = query.k if query.order == "top" else None
    best_only = query.per == "document"
    is_simple = best_only and k is not None and not len(collection.split_documents)
    if isinstance(expression, FeatureTerm) and is_simple:
        return _strongest_of(collection, expression, query.k or 0, mask)
    asked = Asked(expression=expression, reach=reach, poles=collection.settings.poles)
    found = Combined(collection, asked, mask, best_only=best_only, k=k).search()
    if query.order == "quantiles":
        return found.spread(query.k or len(found))
    return found.strongest(query.k)


def _reach(scope: str) -> int:
    """How many tokens away the features of a hit may be."""
    match = _SCOPE.fullmatch(scope)
    if not match:
        raise InvalidInput(
            f"{scope[:50]!r} is no scope: use token, document, or window:N, as in window:5.",
            scope=scope,
        )
    if scope == "document":
        return WHOLE_DOCUMENT
    digits = (match[1] or "0").lstrip("0")
    if len(digits) > LONGEST_WINDOW:
        raise InvalidInput(
            f"A window of {digits[:20]}{'…' if len(digits) > 20 else ''} tokens is wider than any "
            "document: use scope document.",
            scope=scope,
        )
    return int(digits or 0)


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
    dtype = collection.codes.codec.dtype
    best = PostingList.joined([], dtype)
    if collection.unindexed:
        best = _top(_kept(collection.unindexed_postings(feature), mask), k)
    open_segments = collection.segments
    for tier, size in enumerate((*TIERS, math.inf)):
        if not open_segments:
            break
        lists = collection.tier(feature, tier, open_segments)
        found = [best, *(_kept(postings, mask) for postings in lists)]
        best = _top(_joined(found, dtype), k)
        open_segments = _unfinished(open_segments, lists, size, best, k)
    return best


def _joined(lists: Iterable[PostingList], dtype: npt.DTypeLike) -> PostingList:
    """The postings of several lists, of which most are empty where a filter keeps few."""
    found = [postings for postings in lists if len(postings)]
    return found[0] if len(found) == 1 else PostingList.joined(found, dtype)


def _kept(postings: PostingList, mask: DocumentMask | None) -> PostingList:
    return postings if mask is None else postings[np.flatnonzero(mask[postings.doc])]


def _top(postings: PostingList, k: int) -> PostingList:
    if 0 < k < len(postings):
        least = np.partition(postings.max, -k)[-k]
        postings = postings[np.flatnonzero(postings.max >= least)]
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
