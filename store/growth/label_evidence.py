"""What labels are made of and measured by: the words that features fire on.

A fifth of the documents, chosen by a hash of their numbers, is held back: no label's words come
from them, and on them it is measured how well the words predict where a feature fires. Of a large
collection as many documents are looked at, chosen by a hash, as have about `MOST_CODES` codes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse

from saelake.store.format.lists import Array, Lists, concatenate
from saelake.store.format.sampling import HELD_BACK, TokenSample
from saelake.store.labels.masses import WordMasses, coverage
from saelake.store.labels.scores import HeldBack, Score
from saelake.store.labels.words import Vocabulary
from saelake.store.snapshot.collection import Collection

LOOKED_AT_SEED, SCORED_SEED = 2, 3
MOST_CODES = 1 << 24
MOST_SCORED = 4096  # documents
DOCUMENTS_AT_ONCE = 256
_COLUMNS = ["error", "token_starts", "token_lengths", "features", "counts", "positions", "values"]


def held_back(docs: Array) -> Array:
    """Which of these documents are held back from the making of labels, bool (n,)."""
    return HELD_BACK.has_documents(docs)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """Words of a collection, and what its features fire on: in the documents that labels are made
    of, and in those that are held back.
    """

    vocabulary: Vocabulary
    made_of: WordMasses
    held_back: WordMasses
    scored: HeldBack

    def typical(self, feature: int, k: int) -> list[str]:
        """The words that hold most of a feature's activation, the most first."""
        words = self.vocabulary.words
        return [words[number] for number in self.made_of.heaviest(feature, k).tolist()]

    def scores(self, chosen: Mapping[int, Iterable[str]]) -> dict[int, Score]:
        """How well the words of each feature predict where it fires, in documents held back."""
        known = {feature: self.vocabulary.known(words) for feature, words in chosen.items()}
        return self.scored.scores(known)

    def coverage(self, feature: int, words: Iterable[str]) -> float | None:
        """The share of a feature's activation on these words, in all documents looked at."""
        return coverage((self.made_of, self.held_back), feature, self.vocabulary.known(words))


def evidence_of(collection: Collection, n_codes: int) -> Evidence:
    """The evidence of a collection that has so many codes."""
    documents = collection.documents
    docs = np.arange(documents.n_documents, dtype=np.uint64)
    docs = docs if documents.alive is None else docs[documents.alive]
    docs = _share(docs, MOST_CODES / max(n_codes, 1), LOOKED_AT_SEED)
    is_held = held_back(docs)
    scored = _share(docs[is_held], MOST_SCORED / max(int(is_held.sum()), 1), SCORED_SEED)
    reading = _Gathering(collection, scored)
    for first in range(0, len(docs), DOCUMENTS_AT_ONCE):
        reading.add(docs[first : first + DOCUMENTS_AT_ONCE])
    return reading.evidence()


def _share(docs: Array, fraction: float, seed: int) -> Array:
    """About this share of the documents, chosen by a hash."""
    sample = TokenSample(fraction=min(fraction, 1.0), seed=seed)
    chosen: Array = docs[sample.has_documents(docs)]
    return chosen


class _Gathering:
    """Evidence as it is read."""

    def __init__(self, collection: Collection, scored: Array) -> None:
        self._collection = collection
        self._scored = scored  # documents, ascending
        self._vocabulary = Vocabulary()
        self._made_of, self._held_back = WordMasses(), WordMasses()
        self._words: list[tuple[Array, Array]] = []  # document scored, and word
        self._fires: list[tuple[Array, Array]] = []  # and feature

    def add(self, docs: Array) -> None:
        """Look at these documents; those that could not be encoded say nothing."""
        index, rows = self._collection.codes.take(docs, _COLUMNS)
        encoded = np.asarray(rows["error"].is_null())
        index, rows = index[encoded], rows.filter(pa.array(encoded)).combine_chunks()
        if len(index) == 0:
            return
        words = self._token_words(docs, index, rows)
        tokens, positions = Lists.of(rows["token_starts"]), Lists.of(rows["positions"])
        feature = np.repeat(Lists.of(rows["features"]).values, Lists.of(rows["counts"]).values)
        word = words[tokens.offsets[positions.rows] + positions.values]
        values = self._collection.codes.codec.decode(Lists.of(rows["values"]).values)
        is_held = held_back(docs)[index]
        for masses, here in (
            (self._made_of, ~is_held[positions.rows]),
            (self._held_back, is_held[positions.rows]),
        ):
            masses.add(feature[here], word[here], values[here])
        doc = docs[index]
        _keep(self._words, self._places(doc[tokens.rows]), words)
        _keep(self._fires, self._places(doc[positions.rows]), feature)

    def _token_words(self, docs: Array, index: Array, rows: pa.Table) -> Array:
        """The word of each token of the rows, end to end, int64 (n_tokens,)."""
        texts = self._collection.documents.take(docs, ["text"])["text"].to_pylist()
        starts, lengths = Lists.of(rows["token_starts"]), Lists.of(rows["token_lengths"])
        found = (
            self._vocabulary.of_tokens(texts[i], starts[row], lengths[row])
            for row, i in enumerate(index.tolist())
        )
        return concatenate(found, np.int64)

    def _places(self, doc: Array) -> Array:
        """Where these documents stand among those that are scored on, -1 for others, int64 (n,)."""
        at = np.searchsorted(self._scored, doc)
        known = at < len(self._scored)
        known[known] = self._scored[at[known]] == doc[known]
        return np.where(known, at, -1)

    def evidence(self) -> Evidence:
        """What was read."""
        scored = HeldBack(
            words=self._matrix(self._words, len(self._vocabulary)),
            fires=self._matrix(self._fires, self._collection.settings.width),
        )
        return Evidence(
            vocabulary=self._vocabulary,
            made_of=self._made_of,
            held_back=self._held_back,
            scored=scored,
        )

    def _matrix(self, pairs: list[tuple[Array, Array]], width: int) -> sparse.csr_array:
        row, column = (concatenate((pair[i] for pair in pairs), np.int64) for i in (0, 1))
        ones = np.ones(len(row), np.float32)
        return sparse.csr_array((ones, (row, column)), (len(self._scored), max(width, 1)))


def _keep(kept: list[tuple[Array, Array]], place: Array, what: Array) -> None:
    """Keep once what each document that is scored on has."""
    here = place >= 0
    pairs = np.unique(place[here] << 32 | what[here].astype(np.int64))
    kept.append((pairs >> 32, pairs & 0xFFFFFFFF))
