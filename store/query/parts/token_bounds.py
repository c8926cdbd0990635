"""Bounds of an expression's value at the tokens of documents, by what postings list of these.

A posting says where a feature fires besides its strongest token, and about how strongly. So of
documents in which features fire, but never near each other, nothing need be read.
"""

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from saelake.store.format.lists import Array, runs
from saelake.store.query.parts.candidates import Candidates
from saelake.store.query.parts.expression import NOTHING, FeatureTerm, Values
from saelake.store.query.parts.lists import SPAN, FeatureLists, ListedTokens
from saelake.store.query.parts.matches import TokensFound


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedTokens:
    """The tokens of some documents at which a feature is known to fire: parallel arrays (n,).

    `keys` int64 ascend; `lower` and `upper` float32 bound the value there, and `own_lower` and
    `own_upper` the strongest feature that fires as asked at the token itself; -inf is none.
    `elsewhere` float32 (n_docs,) bounds the value at all other tokens of each document.
    """

    keys: Array
    lower: Values
    upper: Values
    own_lower: Values
    own_upper: Values
    elsewhere: Values

    @classmethod
    def of(cls, chosen: Candidates, lists: FeatureLists) -> "BoundedTokens":
        """Those of candidates whose documents ascend."""
        from saelake.store.arrays.sorted import union  # opening a lake needs no numba

        asked = chosen.asked
        known = {number: _known(chosen, lists, number) for number in lists.of}
        terms = list(dict.fromkeys(asked.expression.positive()))
        keys = reduce(union, (known[number].keys for number in {t.number for t in terms}))
        index = keys // SPAN
        near = {number: _near(each, keys, index, asked.reach) for number, each in known.items()}
        at = near
        if asked.reach:
            at = {term.number: _near(known[term.number], keys, index, 0) for term in terms}
        lower, upper = asked.expression.between(
            lambda term: near[term.number][0], lambda term: near[term.number][1]
        )
        own = [term.between(lambda t: at[t.number][0], lambda t: at[t.number][1]) for term in terms]
        own_lower, own_upper = (reduce(np.maximum, each) for each in zip(*own, strict=True))
        return cls(
            keys=keys,
            lower=np.where(own_lower > NOTHING, lower, NOTHING),
            upper=upper,
            own_lower=own_lower,
            own_upper=own_upper,
            elsewhere=_elsewhere(chosen, terms, known),
        )

    @property
    def index(self) -> Array:
        """Which of the documents each token is in, int64 (n,)."""
        found: Array = self.keys // SPAN
        return found

    def best(self) -> tuple[Values, Values]:
        """At least and at most the value at the best token of each document (n_docs,)."""
        from saelake.store.arrays.windows import largest_of_groups

        index, n = self.index, len(self.elsewhere)
        most = np.maximum(largest_of_groups(index, self.upper, n), self.elsewhere)
        return largest_of_groups(index, self.lower, n), most


@dataclass(frozen=True, slots=True)
class TokenBounds:
    """Bounds of the value at the best token of each of some documents (n,); -inf is none."""

    lower: Values
    upper: Values

    @classmethod
    def of(cls, chosen: Candidates, lists: FeatureLists) -> "TokenBounds":
        """Those of candidates whose documents ascend."""
        least, most = BoundedTokens.of(chosen, lists).best()
        return cls(least, np.minimum(most, chosen.upper))


def certain_tokens(chosen: Candidates, lists: FeatureLists) -> tuple[TokensFound, Values]:
    """The best tokens of those candidates for which postings tell them; and bounds of the others.

    The bounds (n,) are -inf of what is certain. The candidates' documents ascend. A value is
    certain where its bounds are one, as where one feature has its maximum and another is stronger
    in any case. Of equal values that at the token which itself is the strongest is best, then the
    first: no other may be as good. Of signed dictionaries none is certain, as the sign may be of
    what is not known.
    """
    tokens = BoundedTokens.of(chosen, lists)
    least, most = tokens.best()
    is_one = (least == most) & (least > NOTHING) & (tokens.elsewhere < least) & ~chosen.parted
    is_one &= not chosen.asked.poles.signed
    at = np.flatnonzero(is_one[tokens.index] & (tokens.upper == least[tokens.index]))
    index, keys = tokens.index[at], tokens.keys[at]
    own = np.where(tokens.lower[at] == least[index], tokens.own_lower[at], NOTHING)
    order = np.lexsort((keys, -own, index))
    best = order[runs(index[order])]  # a document's tokens are neighbours, one of them is certain
    first = np.full(len(chosen), -1, np.int64)
    first[index[best]] = best
    mine = first[index]
    weaker = tokens.own_upper[at] < own[mine]
    later = (tokens.own_upper[at] == own[mine]) & (keys > keys[mine])
    is_one[index[~(weaker | later | (mine == np.arange(len(at))))]] = False
    best = best[is_one[index[best]]]
    ones = np.ones(len(best), np.float32)
    found = TokensFound.of_documents(
        chosen.docs[index[best]].astype(np.uint64),
        keys[best] % SPAN,
        least[index[best]],
        ones,
        own[best],
    )
    return found, np.where(is_one, NOTHING, np.minimum(most, chosen.upper))


class KnownBounds:
    """The bounds of documents of which all postings are known: reading more leaves them so."""

    def __init__(self) -> None:
        self._docs = np.empty(0, np.int64)
        self._lower = self._upper = np.empty(0, np.float32)

    def of(self, docs: Array) -> tuple[Array, TokenBounds]:
        """Which of these documents are known (indices), and their bounds."""
        if len(self._docs) == 0:
            return np.empty(0, np.int64), TokenBounds(self._lower, self._upper)
        place = np.minimum(np.searchsorted(self._docs, docs), len(self._docs) - 1)
        at = np.flatnonzero(self._docs[place] == docs)
        return at, TokenBounds(self._lower[place[at]], self._upper[place[at]])

    def add(self, chosen: Candidates, bounds: TokenBounds) -> None:
        """Keep those bounds of candidates that will not change."""
        final = chosen.are_known(chosen.values)
        docs = np.concatenate([self._docs, chosen.docs[final]])
        order = np.argsort(docs, kind="stable")
        self._docs = docs[order]
        self._lower = np.concatenate([self._lower, bounds.lower[final]])[order]
        self._upper = np.concatenate([self._upper, bounds.upper[final]])[order]


def _known(chosen: Candidates, lists: FeatureLists, number: int) -> ListedTokens:
    """What is known of a feature, with bounds where its postings are not all known."""
    found = lists.tokens(number, chosen.docs)
    values, ceiling = chosen.values[number], chosen.ceilings[number]
    rest = np.where(values == NOTHING, ceiling, found.rest)
    return replace(found, rest=np.where(chosen.parted, np.maximum(values, ceiling), rest))


def _near(found: ListedTokens, anchors: Array, index: Array, reach: int) -> tuple[Values, Values]:
    """At least and at most the largest value within reach of each anchor.

    `index` int64 says of which document an anchor is.
    """
    from saelake.store.arrays.windows import bounds_at, window_maxima

    rest = found.rest[index]
    if reach == 0:
        lower, upper = bounds_at(found.keys, found.lower, found.upper, anchors)
        return lower, np.where(upper > NOTHING, upper, rest)
    lower = window_maxima(found.keys, found.lower, anchors, reach, SPAN)
    upper = window_maxima(found.keys, found.upper, anchors, reach, SPAN)
    return lower, np.maximum(upper, rest)


def _elsewhere(
    chosen: Candidates, terms: list[FeatureTerm], known: dict[int, ListedTokens]
) -> Values:
    """At most the value at tokens of which it is not known that a feature fires there (n_docs,)."""
    fires = np.zeros(len(chosen), np.bool_)
    for term in terms:
        fires |= term.holds(known[term.number].rest)
    if not fires.any():
        return np.full(len(chosen), NOTHING, np.float32)
    upper = chosen.upper
    if chosen.asked.reach == 0:
        nothing = np.full(len(chosen), NOTHING, np.float32)
        upper = chosen.asked.expression.between(
            lambda _: nothing, lambda term: known[term.number].rest
        )[1]
    return np.where(fires, upper, NOTHING)
