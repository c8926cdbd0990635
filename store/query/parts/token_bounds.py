"""Bounds of an expression's value at the tokens of documents, by what postings list of these.

A posting says where a feature fires besides its strongest token, and about how strongly. So of
documents in which features fire, but never near each other, nothing need be read.
"""

from dataclasses import dataclass

import numpy as np

from saelake.store.format.lists import Array, concatenate, runs
from saelake.store.query.parts.candidates import Candidates
from saelake.store.query.parts.expression import NOTHING, FeatureTerm, Values
from saelake.store.query.parts.lists import FeatureLists


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is known of one feature in some documents.

    `keys` int64, ascending, are the tokens: the document's index times the span of positions, and
    the position; `lower` and `upper` float32 are bounds there. `rest` float32 (n_docs,) bounds the
    value at all other tokens of each document.
    """

    keys: Array
    lower: Values
    upper: Values
    rest: Values

    def at(self, anchors: Array, index: Array, reach: int, span: int) -> tuple[Values, Values]:
        """At least and at most the largest value within reach of each anchor.

        `index` int64 says of which document an anchor is.
        """
        from saelake.store.arrays.windows import window_maxima  # opening a lake needs no numba

        lower = window_maxima(self.keys, self.lower, anchors, reach, span)
        upper = window_maxima(self.keys, self.upper, anchors, reach, span)
        rest = self.rest[index]
        if reach:
            return lower, np.maximum(upper, rest)
        return lower, np.where(upper > NOTHING, upper, rest)


@dataclass(frozen=True, slots=True)
class TokenBounds:
    """Bounds of the value at the best token of each of some documents (n,); -inf is none."""

    lower: Values
    upper: Values

    @classmethod
    def of(cls, chosen: Candidates, lists: FeatureLists) -> "TokenBounds":
        """Those of candidates whose documents ascend."""
        from saelake.store.arrays.windows import window_maxima

        asked, n = chosen.asked, len(chosen)
        known, span = _known(chosen, lists)
        terms = list(dict.fromkeys(asked.expression.positive()))
        anchors = np.sort(concatenate((known[t.number].keys for t in terms), np.int64))
        anchors = anchors[runs(anchors)]
        index = anchors // span
        at = {number: each.at(anchors, index, asked.reach, span) for number, each in known.items()}
        lower, upper = asked.expression.between(
            lambda term: at[term.number][0], lambda term: at[term.number][1]
        )
        own = np.zeros(len(anchors), np.bool_)
        for term in terms:
            found = known[term.number]
            own |= term.holds(
                window_maxima(found.keys, found.lower, anchors, 0, span)
                if asked.reach
                else at[term.number][0]
            )
        best = np.full((2, n), NOTHING, np.float32)
        np.maximum.at(best[0], index, np.where(own, lower, NOTHING))
        np.maximum.at(best[1], index, upper)
        elsewhere = _elsewhere(chosen, terms, known)
        return cls(best[0], np.minimum(np.maximum(best[1], elsewhere), chosen.upper))


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


def _known(chosen: Candidates, lists: FeatureLists) -> tuple[dict[int, _Known], int]:
    """What is known of each feature, and how many positions a document has at most."""
    found = {}
    for number in lists.of:
        values, positions = chosen.values[number], chosen.positions[number]
        at = np.flatnonzero(values > NOTHING)
        index, position, lower, upper, rest = lists.others(number, chosen.docs)
        unread = values == NOTHING
        rest = np.where(unread, chosen.ceilings[number], rest)
        parted = np.maximum(values, chosen.ceilings[number])
        found[number] = (
            np.concatenate([at, index]),
            np.concatenate([positions[at], position]),
            np.concatenate([values[at], lower]),
            np.concatenate([values[at], upper]),
            np.where(chosen.parted, parted, rest),
        )
    span = 1 + max(int(each[1].max(initial=0)) for each in found.values())
    known = {}
    for number, (index, position, lower, upper, rest) in found.items():
        keys = index * span + position
        order = np.argsort(keys, kind="stable")
        known[number] = _Known(keys=keys[order], lower=lower[order], upper=upper[order], rest=rest)
    return known, span


def _elsewhere(chosen: Candidates, terms: list[FeatureTerm], known: dict[int, _Known]) -> Values:
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
