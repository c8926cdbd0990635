"""A feature's value at each token of windows, of which few documents' codes are read.

A posting tells where a feature is the strongest in a document, and how strong, and at which other
tokens it fires. So codes are read only of documents in which the feature fires again within the
window: at the place of a counterexample it is silent in the whole document, and half of all
documents have it once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from saelake.store.codes.table import CodesTable, Occurrences
from saelake.store.format.lists import Array, ranges
from saelake.store.query.parts.expression import NOTHING
from saelake.store.query.parts.lists import SPAN, FeatureLists
from saelake.store.snapshot.collection import Collection

FEW_DOCUMENTS = 8  # of which codes are read as fast as postings are looked up
MOST_PER_READ = 1024  # documents


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowTokens:
    """The tokens of windows: parallel int64 arrays (n_windows,).

    A window has the `length` tokens from `start` on of document `index`, which counts in a list of
    documents; its values are those of the `feature`.
    """

    feature: Array
    index: Array
    start: Array
    length: Array

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, chosen: Array) -> "WindowTokens":
        return WindowTokens(
            feature=self.feature[chosen],
            index=self.index[chosen],
            start=self.start[chosen],
            length=self.length[chosen],
        )

    @property
    def offsets(self) -> Array:
        """Where the tokens of each begin, with one window after the other, int64 (n + 1,)."""
        return np.append(0, np.cumsum(self.length))

    @property
    def groups(self) -> Iterator[tuple[int, Array]]:
        """Each feature, and which windows are its."""
        order = np.argsort(self.feature, kind="stable")
        numbers, n_windows = np.unique(self.feature, return_counts=True)
        ends = np.cumsum(n_windows)
        for feature, begin, end in zip(numbers, ends - n_windows, ends, strict=True):
            yield int(feature), order[begin:end]


def values_read(fired: Mapping[int, Occurrences], windows: WindowTokens) -> Array:
    """The value at each token of each window, float32, one window after the other.

    `fired` is where each feature fires in the documents. Values of negative poles are strengths.
    """
    values = np.zeros(int(windows.length.sum()), np.float32)
    _put(fired, windows, windows.offsets[:-1], values)
    return values


def values_looked_up(collection: Collection, docs: Array, windows: WindowTokens) -> Array:
    """What `values_read` gives, of codes of as few documents as can be; `docs` uint64 ascend."""
    values = np.zeros(int(windows.length.sum()), np.float32)
    left = _by_postings(collection, docs, windows, values)
    _by_codes(collection.codes, docs, windows, left, values)
    return values


def _by_postings(
    collection: Collection, docs: Array, windows: WindowTokens, values: Array
) -> Array:
    """Set the values of those windows that postings tell for certain; which are left, int64."""
    numbers = docs.astype(np.int64)
    lists = FeatureLists(collection, windows.feature.tolist(), None, indexed_only=True)
    lists = lists.looked_up(list(lists.of), numbers)
    is_left = _is_beside(collection, docs)[windows.index]
    offsets = windows.offsets[:-1]
    for feature, rows in windows.groups:
        own = windows[rows]
        known, place = np.unique(own.index, return_inverse=True)
        listed = lists.tokens(feature, numbers[known])
        begin = listed.keys.searchsorted(place * SPAN + own.start)
        end = listed.keys.searchsorted(place * SPAN + own.start + own.length)
        guessed = np.append(0, np.cumsum(listed.lower < listed.upper))
        is_left[rows] |= (listed.rest[place] > NOTHING) | (guessed[end] > guessed[begin])
        row, at = _spans(begin, end)
        position = listed.keys[at] % SPAN
        values[offsets[rows][row] + position - own.start[row]] = listed.lower[at]
    return np.flatnonzero(is_left)


def _is_beside(collection: Collection, docs: Array) -> Array:
    """Which documents no posting list tells all of, bool: they are not indexed, or parted."""
    found = np.isin(docs.astype(np.int64), collection.split_documents)
    if collection.unindexed:
        index, address = np.array(collection.codes.locations.find(docs), np.int64).reshape(-1, 2).T
        found[index[np.isin(address >> 32, collection.unindexed)]] = True
    return found


def _by_codes(
    codes: CodesTable, docs: Array, windows: WindowTokens, left: Array, values: Array
) -> None:
    """Set the values of these windows by the codes of their documents, some at a time."""
    left = left[np.argsort(windows.index[left], kind="stable")]
    offsets, index = windows.offsets[:-1], windows.index[left]
    read = np.unique(index)
    for begin in range(0, len(read), MOST_PER_READ):
        some = read[begin : begin + MOST_PER_READ]
        rows = left[slice(*index.searchsorted([some[0], some[-1] + 1]))]
        own = windows[rows]
        own = replace(own, index=some.searchsorted(own.index))
        fired = codes.occurrences(docs[some], np.unique(own.feature).tolist())
        _put(fired, own, offsets[rows], values)


def _put(
    fired: Mapping[int, Occurrences], windows: WindowTokens, offsets: Array, values: Array
) -> None:
    """Set the values of windows, of which the first ones are at `offsets`."""
    for feature, rows in windows.groups:
        own, found = windows[rows], fired[feature]
        keys = found.index.astype(np.int64) * SPAN + found.position
        begin = keys.searchsorted(own.index * SPAN + own.start)
        end = keys.searchsorted(own.index * SPAN + own.start + own.length)
        row, at = _spans(begin, end)
        values[offsets[rows][row] + found.position[at] - own.start[row]] = found.value[at]


def _spans(begin: Array, end: Array) -> tuple[Array, Array]:
    """Every number of each span from `begin` to `end`, int64, and of which span it is."""
    size = end - begin
    return np.repeat(np.arange(len(size)), size), ranges(begin, size)
