"""The best tokens of documents for each of several features, whose postings are read together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array, concatenate, runs
from saelake.store.query.parts.expression import NOTHING
from saelake.store.query.parts.lists import FeatureLists
from saelake.store.query.parts.matches import TokensFound, even_ranks
from saelake.store.requests.tokens import Order
from saelake.store.snapshot.collection import Collection

FEATURES_AT_ONCE = 64  # whose second tiers are in memory: up to 30 MiB; of longer lists one


@dataclass(frozen=True, slots=True, kw_only=True)
class BestTokens:
    """The best tokens of `k` documents of each feature, of those documents that a mask keeps.

    They are the strongest, or spread over all by rank. Values are strengths.
    """

    collection: Collection
    mask: DocumentMask | None
    k: int
    order: Order

    def each(self, features: Sequence[int]) -> Iterator[tuple[int, TokensFound]]:
        """Those of each feature (none twice), in this order."""
        for begin in range(0, len(features), FEATURES_AT_ONCE):
            some = features[begin : begin + FEATURES_AT_ONCE]
            lists = FeatureLists(self.collection, some, self.mask)
            lists.read([n for n in some if lists.of[n].unread and not self._is_enough(lists, n)])
            for feature in some:
                while not self._is_enough(lists, feature):
                    lists.read([feature])
                yield feature, self._chosen(lists, feature)
                del lists.of[feature]

    def _is_enough(self, lists: FeatureLists, feature: int) -> bool:
        """Whether what was read of a feature has all that are asked for."""
        ceiling = lists.of[feature].ceiling
        if ceiling == NOTHING:
            return True
        if self.order == "quantiles" or len(lists.parted):
            return False
        values = _values(lists, feature)
        n = len(values) - self.k
        return n >= 0 and bool(np.partition(values, n)[n] > ceiling)

    def _chosen(self, lists: FeatureLists, feature: int) -> TokensFound:
        pieces = lists.of[feature].pieces
        doc = concatenate((piece.doc for piece in pieces), np.int64)
        code = concatenate((piece.code for piece in pieces), np.int64)
        position = concatenate((piece.position for piece in pieces), np.uint32)
        order = _ordered(doc, code, position, parted=bool(len(lists.parted)))
        is_top = self.order == "top"
        order = order[: self.k] if is_top else order[even_ranks(len(order), self.k)]
        docs, positions = doc[order], position[order].astype(np.int64)
        values = _values(lists, feature)[order]
        ones = np.ones(len(order), np.float32)
        found = TokensFound.of_documents(docs.astype(np.uint64), positions, values, ones, values)
        return found.with_characters(*lists.characters(feature, docs, positions))


def _ordered(doc: Array, code: Array, position: Array, *, parted: bool) -> Array:
    """Which postings are the best of their documents, the strongest first, ties by document.

    `doc` is made of pieces that ascend. Where documents are `parted` one may have several.
    """
    order = np.lexsort((position, -code.astype(np.int64), doc)) if parted else _stable(doc)
    if parted:
        order = order[runs(doc[order])]
    falling = np.iinfo(code.dtype).max - code[order]  # codes ascend as values do
    return order[_stable(falling)]


def _stable(keys: Array) -> Array:
    """The order of keys, in which equal ones stay: runs are merged, and short numbers counted."""
    return np.argsort(keys, kind="stable")


def _values(lists: FeatureLists, feature: int) -> Array:
    return concatenate((piece.value for piece in lists.of[feature].pieces), np.float32)
