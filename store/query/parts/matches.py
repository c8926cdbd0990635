"""Tokens that match a question, as parallel arrays."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from saelake.store.format.lists import Array, concatenate, runs
from saelake.store.index.segments import PostingList


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensFound:
    """Tokens that match: parallel arrays (n,).

    `doc` uint64, `position` int64, `value` float32, a strength; `sign` float32 is -1 where that is
    of a negative pole, else 1 (the token's own where it is as strong); `own` float32 is the
    strongest activation at the token itself, or at least that where it decides nothing any more;
    `start` and `length` int64 are its characters, -1 where not known yet.
    """

    doc: Array
    position: Array
    value: Array
    sign: Array
    own: Array
    start: Array
    length: Array

    def __len__(self) -> int:
        return len(self.doc)

    def __getitem__(self, index: "Array | slice") -> "TokensFound":
        return TokensFound(
            doc=self.doc[index],
            position=self.position[index],
            value=self.value[index],
            sign=self.sign[index],
            own=self.own[index],
            start=self.start[index],
            length=self.length[index],
        )

    @classmethod
    def of_postings(cls, postings: PostingList, values: Array, sign: Array) -> "TokensFound":
        """The best token of each posting, `values` being the decoded maxima."""
        return cls(
            doc=postings.doc,
            position=postings.position.astype(np.int64),
            value=values,
            sign=sign,
            own=values,
            start=postings.start,
            length=postings.length,
        )

    @classmethod
    def of_documents(
        cls, doc: Array, position: Array, value: Array, sign: Array, own: Array
    ) -> "TokensFound":
        """Tokens of documents, whose characters are not known yet."""
        unknown = np.full(len(position), -1, np.int64)
        return cls(
            doc=doc,
            position=position,
            value=value,
            sign=sign,
            own=own,
            start=unknown,
            length=unknown,
        )

    def with_characters(self, start: Array, length: Array) -> "TokensFound":
        """These tokens, which are at these characters of their texts."""
        return replace(self, start=start, length=length)

    @classmethod
    def joined(cls, pieces: Iterable["TokensFound"]) -> "TokensFound":
        """The matches of several documents."""
        found = list(pieces)
        return cls(
            doc=concatenate((m.doc for m in found), np.uint64),
            position=concatenate((m.position for m in found), np.int64),
            value=concatenate((m.value for m in found), np.float32),
            sign=concatenate((m.sign for m in found), np.float32),
            own=concatenate((m.own for m in found), np.float32),
            start=concatenate((m.start for m in found), np.int64),
            length=concatenate((m.length for m in found), np.int64),
        )

    def strongest(self, k: int | None) -> "TokensFound":
        """The first `k` by value descending, ties by document and then position ascending."""
        return self[np.lexsort((self.position, self.doc, -self.value))[:k]]

    def best_of_each(self) -> "TokensFound":
        """Of each document its strongest match, the earliest of equals; by document."""
        order = np.lexsort((self.position, -self.value, self.doc))
        return self[order[runs(self.doc[order])]]

    def spread(self, k: int) -> "TokensFound":
        """`k` matches at even ranks from the strongest to the weakest."""
        return self.strongest(None)[even_ranks(len(self), k)]


def even_ranks(n: int, k: int) -> Array:
    """`k` ranks of `n`, or all, evenly spaced from the first to the last, int64."""
    return np.round(np.linspace(0, n - 1, min(k, n))).astype(np.int64)
