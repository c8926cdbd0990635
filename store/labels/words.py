"""Words of texts: which word each token is of, by one number a word."""

import re
from collections.abc import Iterable

import numpy as np

from saelake.store.format.lists import Array

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


class Vocabulary:
    """Words in lower case, and other tokens as they are, numbered as they come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, word: str) -> int:
        """The word's number, a new one for a new word."""
        return self._numbers.setdefault(word, len(self._numbers))

    def known(self, words: Iterable[str]) -> Array:
        """The numbers of those of the words that have one, int64 ascending."""
        found = {self._numbers[word] for word in words if word in self._numbers}
        return np.array(sorted(found), np.int64)

    @property
    def words(self) -> list[str]:
        """The words by number."""
        return list(self._numbers)

    def of_tokens(self, text: str, starts: Array, lengths: Array) -> Array:
        """The number of the word that each token is in or holds, int64 (n_tokens,).

        A token with no character of a word is its own characters without white space around them.
        `starts` and `lengths` are characters of the text.
        """
        spans = [match.span() for match in WORD.finditer(text)]
        numbers = np.array([self.number(text[b:e].lower()) for b, e in spans] + [-1], np.int64)
        begins = np.array([b for b, _ in spans] + [len(text) + 1], np.int64)
        starts, ends = starts.astype(np.int64), starts.astype(np.int64) + lengths
        at = np.searchsorted(np.array([e for _, e in spans], np.int64), starts, side="right")
        found = np.where(begins[at] < ends, numbers[at], -1)
        for token in np.flatnonzero(found < 0).tolist():
            found[token] = self.number(text[starts[token] : ends[token]].strip())
        return found
