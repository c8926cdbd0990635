"""Documents in which an expression may hold, and what posting lists tell of its value there."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

import numpy as np

from saelake.store.format.lists import Array
from saelake.store.format.poles import Poles
from saelake.store.query.parts.expression import (
    NOTHING,
    Expression,
    FeatureTerm,
    Values,
    signs,
)
from saelake.store.query.parts.lists import FAR, FeatureLists
from saelake.store.query.parts.matches import TokensFound

WHOLE_DOCUMENT = 1 << 40  # a window that no document exceeds
MOST_ANCHORS = 4  # features at whose strongest tokens values are bounded from below
BOUNDED_BELOW = 8192  # documents whose values are bounded from below, for the k-th best value


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of a document: an expression, and how many tokens away its features may be."""

    expression: Expression
    reach: int
    poles: Poles

    @property
    def of_documents(self) -> bool:
        """Whether features meet anywhere in a document."""
        return self.reach == WHOLE_DOCUMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Documents in which a value may be at least some value, by what was read of posting lists.

    `docs` int64 ascend; `upper` float32 bounds the value of each token of the document, and
    `unseen` that of every document of which nothing was read. `values` and `positions` are those
    of each feature's maximum, -inf and `FAR` where it was not read; `ceilings` bound it there.
    """

    asked: Asked
    docs: Array
    upper: Array
    unseen: np.float32
    values: dict[int, Array]
    positions: dict[int, Array]
    ceilings: dict[int, np.float32]
    parted: Array

    @classmethod
    def of(
        cls,
        asked: Asked,
        lists: FeatureLists,
        least: np.float32,
        within: Array | None = None,
        *,
        as_read: bool = False,
    ) -> "Candidates":
        """Those whose value may be `least` or more, of these (int64, ascending; None: of all).

        `as_read` only those in which all that must fire was read to.
        """
        ceilings = {number: known.ceiling for number, known in lists.of.items()}
        docs = _possible(asked.expression, lists, {} if as_read else ceilings, least, within)
        at = {number: lists.at(number, docs) for number in lists.of}
        everywhere = cls(
            asked=asked,
            docs=docs,
            upper=np.empty(0, np.float32),
            unseen=_unseen(asked.expression, ceilings),
            values={number: values for number, (values, _) in at.items()},
            positions={number: positions for number, (_, positions) in at.items()},
            ceilings=ceilings,
            parted=np.isin(docs, lists.parted),
        )
        return everywhere._bounded(least)

    def __len__(self) -> int:
        return len(self.docs)

    def __getitem__(self, index: Array) -> "Candidates":
        return Candidates(
            asked=self.asked,
            docs=self.docs[index],
            upper=self.upper[index],
            unseen=self.unseen,
            values={number: values[index] for number, values in self.values.items()},
            positions={number: positions[index] for number, positions in self.positions.items()},
            ceilings=self.ceilings,
            parted=self.parted[index],
        )

    def _bounded(self, least: np.float32) -> "Candidates":
        """With `upper`, and without the documents that it rules out."""
        lower_of = self._value if self.asked.of_documents else self._nothing
        upper = self.asked.expression.between(lower_of, self._upper)[1]
        bounded = self.with_upper(upper)
        return bounded[np.flatnonzero((upper > NOTHING) & (upper >= least))]

    def are_known(self, features: Iterable[int]) -> Array:
        """Of which documents all is read that there is of these features, bool (n_docs,)."""
        known = ~self.parted
        for number in features:
            if self.ceilings[number] > NOTHING:
                known &= self.values[number] > NOTHING
        return known

    def with_upper(self, upper: Values) -> "Candidates":
        """These documents, with other bounds."""
        return replace(self, upper=upper)

    def strongest_first(self) -> "Candidates":
        """By falling bound, ties by document."""
        return self[np.lexsort((self.docs, -self.upper))]

    def kth_value(self, k: int, *, hopeful: bool = False) -> np.float32:
        """A value that k documents reach for certain, -inf where it is not known that k do.

        `hopeful` takes what is negated and may fire, but was not read to do so there, not to fire.
        """
        chosen = self
        if len(self) > BOUNDED_BELOW >= k:
            chosen = self[np.argpartition(-self.upper, BOUNDED_BELOW)[:BOUNDED_BELOW]]
        if len(chosen) < k:
            return NOTHING
        own, position, _, _ = chosen._strongest_own()
        lower = chosen._lower_at(position, own, hopeful)
        terms = set(self.asked.expression.positive())
        for term in terms if len(terms) <= MOST_ANCHORS else ():
            held = term.evaluate(chosen._value)
            at = chosen._lower_at(chosen.positions[term.number], held, hopeful)
            lower = np.maximum(lower, at)
        found: np.float32 = np.partition(lower, len(lower) - k)[len(lower) - k]
        return found

    def _lower_at(self, position: Array, own: Values, hopeful: bool) -> Values:
        """At most the values at tokens, where some feature is `own`; -inf where that is none."""
        near = self._near(position)
        lower = self.asked.expression.between(near, near if hopeful else self._upper)[0]
        return np.where(own > NOTHING, lower, NOTHING)

    def settled(self) -> tuple[TokensFound, Array]:
        """The best tokens of the documents for which the lists tell them, and which these are.

        The strongest token of all the expression's features is the best if the value there is the
        document's bound: no other token has a larger value, or is itself as strong.
        """
        own, position, own_sign, rest = self._strongest_own()
        near = self._near(position)
        value = self.asked.expression.between(near, self._upper)[0]
        certain = (value == self.upper) & (own > rest) & ~self.parted
        if self.asked.poles.signed and not (self.asked.of_documents and self._is_complete):
            certain &= own == value  # else the sign is of what is not known
        at = np.flatnonzero(certain)
        chosen = self[at]
        sign = signs(self.asked.expression, chosen._near(position[at]), value[at], self.asked.poles)
        found = TokensFound.of_documents(
            chosen.docs.astype(np.uint64),
            position[at],
            value[at],
            np.where(own[at] == value[at], own_sign[at], sign),
            own[at],
        )
        return found, certain

    def _strongest_own(self) -> tuple[Values, Array, Values, Values]:
        """The largest value of a feature as asked, the first token that has it, its sign.

        And at most what a feature that was not read may have.
        """
        own = np.full(len(self), NOTHING, np.float32)
        rest = np.full(len(self), NOTHING, np.float32)
        position = np.full(len(self), -FAR, np.int64)
        sign = np.ones(len(self), np.float32)
        for term in dict.fromkeys(self.asked.expression.positive()):
            number = term.number
            held = term.evaluate(self._value)
            earlier = self.positions[number] < position
            better = (held > own) | ((held == own) & (held > NOTHING) & earlier)
            own = np.where(better, held, own)
            position = np.where(better, self.positions[number], position)
            sign = np.where(better, self.asked.poles.signs(np.array([number])), sign)
            unread = self.values[number] == NOTHING
            rest = np.maximum(rest, np.where(unread, term.evaluate(self._ceiling), NOTHING))
        return own, position, sign.astype(np.float32), rest

    @property
    def _is_complete(self) -> bool:
        return all(ceiling == NOTHING for ceiling in self.ceilings.values())

    def _value(self, term: FeatureTerm) -> Values:
        return self.values[term.number]

    def _nothing(self, _: FeatureTerm) -> Values:
        return np.full(len(self), NOTHING, np.float32)

    def _ceiling(self, term: FeatureTerm) -> Values:
        return np.full(len(self), self.ceilings[term.number], np.float32)

    def _upper(self, term: FeatureTerm) -> Values:
        """The maximum; where it was not read, or only of some of a document's parts, its bound."""
        values, ceiling = self.values[term.number], self.ceilings[term.number]
        return np.where((values == NOTHING) | self.parted, np.maximum(values, ceiling), values)

    def _near(self, anchors: Array) -> Callable[[FeatureTerm], Values]:
        """Values of which it is known that they are within reach of a token of each document."""

        def value_of(term: FeatureTerm) -> Values:
            if self.asked.of_documents:
                return self.values[term.number]
            is_near = np.abs(self.positions[term.number] - anchors) <= self.asked.reach
            return np.where(is_near, self.values[term.number], NOTHING)

        return value_of


@dataclass(frozen=True, slots=True)
class _DocumentSet:
    """A set of documents, ascending int64; None: all."""

    docs: Array | None

    def __and__(self, other: "_DocumentSet") -> "_DocumentSet":
        from saelake.store.arrays.sorted import intersection  # opening a lake needs no numba

        if self.docs is None or other.docs is None:
            return other if self.docs is None else self
        few, many = sorted((self.docs, other.docs), key=len)
        return _DocumentSet(intersection(few, many))

    def __or__(self, other: "_DocumentSet") -> "_DocumentSet":
        from saelake.store.arrays.sorted import union

        if self.docs is None or other.docs is None:
            return _EVERYWHERE
        return _DocumentSet(union(self.docs, other.docs))


_EVERYWHERE = _DocumentSet(None)


def _possible(
    expression: Expression,
    lists: FeatureLists,
    ceilings: dict[int, np.float32],
    least: np.float32,
    within: Array | None,
) -> Array:
    """Documents, read of at least once, that may reach `least`, ascending int64.

    An expression is at least so much where it holds of the features that are: a feature whose
    unread postings may be so strong is taken to be, everywhere; one without a ceiling has none.
    """
    seen: dict[FeatureTerm, _DocumentSet] = {}

    def read(term: FeatureTerm) -> _DocumentSet:
        if term not in seen:
            seen[term] = _DocumentSet(lists.documents(term, least))
        return seen[term]

    def can(term: FeatureTerm) -> _DocumentSet:
        ceiling = ceilings.get(term.number, NOTHING)
        is_open = ceiling > NOTHING and ceiling >= least and term.reaches(ceiling)
        return _EVERYWHERE if is_open else read(term)

    possible = expression.possible(can, _EVERYWHERE) & _DocumentSet(within)
    if possible.docs is None:
        nothing = _DocumentSet(np.empty(0, np.int64))
        possible = reduce(or_, map(read, dict.fromkeys(expression.positive())), nothing)
    assert possible.docs is not None
    return possible.docs


def _unseen(expression: Expression, ceilings: dict[int, np.float32]) -> np.float32:
    """At least the value in any document that was not read of."""
    nothing = np.full(1, NOTHING, np.float32)
    upper = expression.between(
        lambda _: nothing, lambda term: np.full(1, ceilings[term.number], np.float32)
    )[1]
    return np.float32(upper[0])


def matters(asked: Asked, feature: int, ceiling: np.float32, least: np.float32) -> bool:
    """Whether the unread postings of a feature, at most `ceiling`, can be of any consequence.

    A value of `least` or more is that of a feature as strong, whatever is weaker. Where features
    meet anywhere in a document, what is negated must be known of all.
    """
    terms = Counter(t for t in asked.expression.features() if t.number == feature)
    if ceiling == NOTHING or not any(term.reaches(ceiling) for term in terms):
        return False
    negated = terms - Counter(asked.expression.positive())
    if asked.of_documents and negated:
        return True
    return bool(ceiling >= least and terms - negated)
