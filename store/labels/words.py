"""Words of texts: which word each token is of, by one number a word."""

import re
from collections.abc import Iterable

import numpy as np

from saelake.store.format.lists import Array

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


class Vocabulary:
    """Words in lower case, and other tokens as they are, numbered as they come."""

    def __init__(self) -> None:
        self.words: list[str] = []  # by number
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.words)

    def number(self, word: str) -> int:
        """The word's number, a new one for a new word."""
        found = self._numbers.get(word)
        if found is None:
            found = self._numbers[word] = len(self.words)
            self.words.append(word)
        return found

    def known(self, words: Iterable[str]) -> Array:
        """The numbers of those of the words that have one, int64 ascending."""
        found = {self._numbers[word] for word in words if word in self._numbers}
        return np.array(sorted(found), np.int64)

    def of_tokens(self, text: str, starts: Array, lengths: Array) -> Array:
        """The number of the word that each token is in or holds, int64 (n_tokens,).

        A token with no character of a word is its own characters without white space around them.
        `starts` and `lengths` are characters of the text.
        """
        spans = [match.span() for match in WORD.finditer(text)]
        bounds = np.array(spans, np.int64).reshape(-1, 2)
        begins = np.append(bounds[:, 0], len(text) + 1)
        numbers = np.array([*(self.number(text[b:e].lower()) for b, e in spans), -1], np.int64)
        starts, ends = starts.astype(np.int64), starts.astype(np.int64) + lengths
        at = np.searchsorted(bounds[:, 1], starts, side="right")
        found = np.where(begins[at] < ends, numbers[at], -1)
        for token in np.flatnonzero(found < 0).tolist():
            found[token] = self.number(text[starts[token] : ends[token]].strip())
        return found
