"""The strongest matches of an expression of several features, by as little reading as can be.

Posting lists are read a tier at a time, which bounds the value that each document can have, and
documents in which features meet at their strongest need not be read at all. The codes of the
others are read by falling bound, until no other can be among the k strongest
(docs/decisions/023-expressions.md).
"""

import numpy as np

from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array
from saelake.store.query.parts.candidates import Asked, Candidates, matters
from saelake.store.query.parts.expression import NOTHING, And, Expression, Not, Or
from saelake.store.query.parts.lists import FeatureLists
from saelake.store.query.parts.matches import TokensFound
from saelake.store.query.parts.meeting import meeting
from saelake.store.query.parts.token_bounds import KnownBounds, TokenBounds, certain_tokens
from saelake.store.snapshot.collection import Collection

DOCUMENTS_PER_READ = 32  # in the first batch; each next one is twice as large
MOST_PER_READ = 1024
MOST_BYTES_PER_READ = 32 << 20  # as they are stored, on average
FEW_DOCUMENTS = 4  # that are read as fast as a tier of postings is looked up
NARROWED = 1024  # documents whose tokens are looked at first, in what is known of them
MOST_NARROWED = 65_536  # at once
TRIED_DOCUMENTS = 256  # that are read in the hope that no further postings need to be


class Combined:
    """The search for the matches of one expression.

    `n_documents_read` counts the documents whose codes were read.
    """

    def __init__(
        self,
        collection: Collection,
        asked: Asked,
        mask: DocumentMask | None,
        *,
        best_only: bool,
        k: int | None,
    ) -> None:
        """`k` None is all; `best_only` gives of each document its best token."""
        self._collection = collection
        self._asked = asked
        self._best_only = best_only
        self._k = k
        self.n_documents_read = 0
        numbers = {term.number for term in asked.expression.features()}
        self._positive = sorted({term.number for term in asked.expression.positive()})
        self._has_negated = _has_negated(asked)
        self._negated = sorted(numbers - set(self._positive))
        self.lists = FeatureLists(collection, numbers, mask)
        self._pieces: list[TokensFound] = []  # without k
        self._found = TokensFound.joined([])  # the k strongest so far
        self._done = np.empty(0, np.int64)  # documents whose matches are found, ascending
        self._most = _most_per_read(collection)
        self._bounds = KnownBounds()
        self._least = NOTHING  # no match below is among the k strongest
        self._within: Array | None = None  # the only documents that can matter, once that is known

    def search(self) -> TokensFound:
        """The matches, in no order: the k strongest are among them."""
        lists = self.lists.of
        if _meets(self._asked.expression) and all(known.unread for known in lists.values()):
            self.lists.read(lists)
        while True:
            candidates = self._candidates(as_read=True)
            deeper = self._deeper()
            if deeper and not self._has_negated and self._may_be_unseen(candidates):
                self.lists.read(deeper)
                continue
            if deeper or self._has_negated:  # and documents in which more may fire than was read
                candidates = self._candidates(as_read=False)
            candidates = self._pending(candidates)
            if not self._may_be_unseen(candidates):
                self._within = candidates.docs
            deeper = self._deeper(candidates)
            if not deeper or self._is_little(candidates):
                self._read_all(candidates)
                return self._with_characters()
            if self._has_negated and self._try(candidates):
                return self._with_characters()
            self.lists.read(deeper, self._within)

    def _candidates(self, *, as_read: bool) -> Candidates:
        """What may be among the k strongest, as `Candidates.of` has it, and is not ruled out.

        What all is read of bounds the k-th best from below; so the many documents of which only
        something is need not be looked at before.
        """
        found = Candidates.of(self._asked, self.lists, self._least, self._within, as_read=as_read)
        self._raise_to(self._kth(found))
        is_short = self._are_short(self._deeper())
        return self._narrowed(found) if self._has_tokens and not is_short else found

    @property
    def _has_tokens(self) -> bool:
        """Whether it matters at which tokens of a document its features fire."""
        return len(self.lists.of) > 1 and not self._asked.of_documents

    def _are_short(self, features: list[int]) -> bool:
        """Whether the next tiers of some of these features are read sooner than they are avoided.

        What shorter tiers tell of tokens is seldom enough.
        """
        return any(self.lists.of[number].unread for number in features)

    def _narrowed(self, candidates: Candidates) -> Candidates:
        """The candidates, bounded by what is known of their tokens: the strongest first.

        Until the k-th best of these are above all others; without k all of them. Not those of
        which a feature's posting may not be read yet: it might fire anywhere.
        """
        upper, is_left = candidates.upper.copy(), candidates.are_known(self._positive)
        at, found = self._bounds.of(candidates.docs)
        upper[at], is_left[at] = found.upper, False
        lower, size = [found.lower], NARROWED
        while len(left := np.flatnonzero(is_left & (candidates.upper >= self._least))):
            if self._k and len(left) > size:
                left = left[np.argpartition(-candidates.upper[left], size)[:size]]
            chosen, size = np.sort(left)[:MOST_NARROWED], 4 * size
            bounds = TokenBounds.of(candidates[chosen], self.lists)
            upper[chosen], is_left[chosen] = bounds.upper, False
            lower.append(bounds.lower)
            self._bounds.add(candidates[chosen], bounds)
            if self._k:
                self._raise_to(_kth_largest(np.concatenate(lower), self._k))
        kept = np.flatnonzero((upper > NOTHING) & (upper >= self._least))
        return candidates.with_upper(upper)[kept]

    def _kth(self, candidates: Candidates) -> np.float32:
        if self._k is None:
            return NOTHING
        return candidates.kth_value(self._k)

    def _raise_to(self, least: np.float32) -> None:
        self._least = max(self._least, least)

    def _deeper(self, candidates: Candidates | None = None) -> list[int]:
        """The features of which more must be known: of some candidate, if others do not matter."""
        features = [
            number
            for number, known in self.lists.of.items()
            if matters(self._asked, number, known.ceiling, self._least)
        ]
        if candidates is None or self._within is None:
            return features
        return [f for f in features if not candidates.are_known([f]).all()]

    def _may_be_unseen(self, candidates: Candidates) -> bool:
        """Whether documents may matter of which no posting was read."""
        return bool(candidates.unseen > NOTHING and candidates.unseen >= self._least)

    def _is_little(self, candidates: Candidates) -> bool:
        """Whether few documents need to be read, and none of which no posting was."""
        return not self._may_be_unseen(candidates) and len(candidates) <= FEW_DOCUMENTS

    def _pending(self, candidates: Candidates) -> Candidates:
        """The candidates that are still possible, and not done."""
        possible = candidates.upper >= self._least
        if len(self._done):
            possible &= ~np.isin(candidates.docs, self._done)
        if self._is_full:  # of equals the first documents are stronger
            is_equal = candidates.upper == self._least
            possible &= ~is_equal | (candidates.docs <= int(self._found.doc[-1]))
        return candidates[np.flatnonzero(possible)]

    def _try(self, candidates: Candidates) -> bool:
        """Read some documents that are above everything unseen; whether that was enough."""
        if self._k is None or self._k > TRIED_DOCUMENTS:
            return False
        if candidates.kth_value(self._k, hopeful=True) <= candidates.unseen:
            return False
        above = candidates[np.flatnonzero(candidates.upper > candidates.unseen)]
        above = self._uncertain(above)
        return self._read(above, at_most=TRIED_DOCUMENTS, unseen=candidates.unseen)

    def _read_all(self, candidates: Candidates) -> None:
        if self._best_only:
            found, settled = candidates.settled()
            self._take(found, candidates.docs[settled])
            candidates = self._pending(candidates[np.flatnonzero(~settled)])
        candidates = self._uncertain(candidates)
        self._read(candidates, at_most=len(candidates), unseen=NOTHING)

    def _uncertain(self, candidates: Candidates) -> Candidates:
        """The candidates (by document) without those whose best tokens postings tell for certain.

        What is negated is looked up in the strongest of them: to read a document takes longer.
        """
        if not (self._best_only and self._k and self._has_tokens and len(candidates)):
            return candidates
        chosen, lists = np.arange(len(candidates)), self.lists
        if self._negated:
            chosen = np.sort(np.argsort(-candidates.upper, kind="stable")[:TRIED_DOCUMENTS])
            lists = lists.looked_up(self._negated, candidates.docs[chosen])
        tried = Candidates.of(self._asked, lists, NOTHING, candidates.docs[chosen])
        found, left = certain_tokens(tried, lists)
        self._take(found, found.doc.astype(np.int64))
        upper = candidates.upper.copy()
        upper[chosen] = NOTHING
        upper[candidates.docs.searchsorted(tried.docs)] = left
        return candidates.with_upper(upper)[np.flatnonzero(upper > NOTHING)]

    def _take(self, found: TokensFound, docs: Array) -> None:
        """Add the matches of these documents."""
        if self._k is None:
            self._pieces.append(found)
            return
        self._done = np.union1d(self._done, docs)
        self._found = TokensFound.joined([self._found, found]).strongest(self._k)
        if len(self._found) == self._k:
            self._raise_to(self._found.value[-1])

    def _read(self, candidates: Candidates, *, at_most: int, unseen: np.float32) -> bool:
        """Read documents by falling bound; whether the k strongest are found.

        They are when the k-th is above the bound of all that was not read, `unseen` among them.
        """
        pending = self._pending(candidates)
        # All of them are read in the order of the table, which is three times as fast.
        pending = pending if self._k is None else pending.strongest_first()
        begin, size = 0, DOCUMENTS_PER_READ if self._k else MOST_PER_READ
        while begin < min(len(pending), at_most):
            if self._is_found(pending, begin, unseen):
                return True
            end = min(begin + min(size, self._most), len(pending), at_most)
            self._meet(pending.docs[begin:end])
            begin, size = end, min(2 * size, MOST_PER_READ)
        return self._is_found(pending, begin, unseen)

    @property
    def _is_full(self) -> bool:
        """Whether there are k matches as strong as k must be: then the last is the k-th so far."""
        is_k = self._k is not None and len(self._found) == self._k
        return is_k and bool(self._found.value[-1] == self._least)

    def _is_found(self, pending: Candidates, begin: int, unseen: np.float32) -> bool:
        """Whether the k strongest are known, with the documents from `begin` on not read."""
        if not self._is_full or self._least <= unseen:
            return False
        if begin >= len(pending):
            return True
        ahead = pending.upper[begin]
        is_later = int(pending.docs[begin]) > int(self._found.doc[-1])
        return bool(ahead < self._least or (ahead == self._least and is_later))

    def _meet(self, docs: Array) -> None:
        """Read the codes of documents."""
        self.n_documents_read += len(docs)
        found = meeting(
            self._collection.codes,
            np.sort(docs).astype(np.uint64),
            self._asked,
            best_only=self._best_only,
            characters=self._k is not None,
        )
        self._take(found, docs)

    def _with_characters(self) -> TokensFound:
        """The matches, with where in their texts they are as far as postings tell."""
        found = TokensFound.joined(self._pieces) if self._k is None else self._found
        docs = found.doc.astype(np.int64)
        start, length = found.start.copy(), found.length.copy()
        for number in self._positive:
            of_feature = self.lists.characters(number, docs, found.position)
            known = of_feature[0] >= 0
            start[known], length[known] = of_feature[0][known], of_feature[1][known]
        return found.with_characters(start, length)


def _kth_largest(values: Array, k: int) -> np.float32:
    """The k-th largest of float32 values, -inf where there are fewer."""
    if len(values) < k:
        return NOTHING
    found: np.float32 = np.partition(values, len(values) - k)[len(values) - k]
    return found


def _most_per_read(collection: Collection) -> int:
    """How many documents of the collection's are read at once: fewer of long ones."""
    return max(int(MOST_BYTES_PER_READ / max(collection.bytes_per_document, 1)), 1)


def _meets(expression: Expression) -> bool:
    """Whether features must meet: then the strongest of each alone are seldom the strongest."""
    match expression:
        case And(left=left, right=right) if not isinstance(left, Not) and not isinstance(
            right, Not
        ):
            return True
        case And(left=left, right=right) | Or(left=left, right=right):
            return _meets(left) or _meets(right)
    return False


def _has_negated(asked: Asked) -> bool:
    return len(list(asked.expression.features())) > len(list(asked.expression.positive()))
