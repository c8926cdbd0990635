"""Bounds of an expression's value at the tokens of documents, by what postings list of these.

A posting says where a feature fires besides its strongest token, and about how strongly. So of
documents in which features fire, but never near each other, nothing need be read.
"""

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from saelake.store.format.lists import Array
from saelake.store.query.parts.candidates import Candidates
from saelake.store.query.parts.expression import NOTHING, FeatureTerm, Values
from saelake.store.query.parts.lists import SPAN, FeatureLists, ListedTokens


@dataclass(frozen=True, slots=True)
class TokenBounds:
    """Bounds of the value at the best token of each of some documents (n,); -inf is none."""

    lower: Values
    upper: Values

    @classmethod
    def of(cls, chosen: Candidates, lists: FeatureLists) -> "TokenBounds":
        """Those of candidates whose documents ascend."""
        from saelake.store.arrays.sorted import union  # opening a lake needs no numba
        from saelake.store.arrays.windows import bounds_at, largest_of_groups

        asked, n = chosen.asked, len(chosen)
        known = {number: _known(chosen, lists, number) for number in lists.of}
        terms = list(dict.fromkeys(asked.expression.positive()))
        anchors = reduce(union, (known[number].keys for number in {t.number for t in terms}))
        index = anchors // SPAN
        at = {number: _near(each, anchors, index, asked.reach) for number, each in known.items()}
        lower, upper = asked.expression.between(
            lambda term: at[term.number][0], lambda term: at[term.number][1]
        )
        own = np.zeros(len(anchors), np.bool_)
        for term in terms:
            found, values = known[term.number], at[term.number][0]
            if asked.reach:
                values = bounds_at(found.keys, found.lower, found.upper, anchors)[0]
            own |= term.holds(values)
        least = largest_of_groups(index, np.where(own, lower, NOTHING), n)
        most = np.maximum(largest_of_groups(index, upper, n), _elsewhere(chosen, terms, known))
        return cls(least, np.minimum(most, chosen.upper))


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
