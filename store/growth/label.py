"""Automatic labels: what a feature fires on, and what the documents it fires in are about.

The text of a label is for people: the words that hold the feature's strongest tokens, and the
words over-represented around them. No model reads or judges it, and its explainer says so.

The vector of a label is for finding features by a phrase: the covariance, over the corpus, of the
feature's standardised value with the documents' dense embeddings, without the direction that all
documents share. Its inner product with a phrase's embedding says how much more the documents in
which the feature is strong are about the phrase; its length is the evidence, so it is not made 1
(docs/decisions/007-labels.md has what was measured).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from saelake.store.codes.embeddings import Block
from saelake.store.errors import NotFound
from saelake.store.format.lists import Array
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.index.segments import PostingList
from saelake.store.index.vectors import Vectors
from saelake.store.labels.labels import automatic, write_labels
from saelake.store.query.parts.dense import kept_vectors
from saelake.store.requests.checks import Selection
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
N_STRONGEST = 20  # documents of a feature whose words are looked at
N_FIRED, N_CONTRAST = 5, 8  # words of a label
SPAN = 6  # words on each side
WINDOW_CHARACTERS = 120  # on each side of a token, which hold these words
PRIOR = 500  # words' worth of the corpus in each feature's counts (Monroe et al. 2008)
LEAST_Z, LEAST_COUNT = 1.96, 2
MIN_DOCUMENTS = 5  # in which a feature fires that may have a vector,
MIN_DEVIATION = 0.01  # and over all documents, of its usual value where it fires
FEATURES_AT_ONCE = 4096
TEXTS_AT_ONCE = 1024


def label_collection(
    session: Session,
    name: str,
    *,
    on_progress: Callable[[int, int], object] = lambda *_: None,
) -> int:
    """Label every feature that fires in an indexed collection; how many have a label.

    Replaces what this made before; labels of other explainers stay. `on_progress` is told how
    many of how many features are done. Vectors are made where the documents have dense
    embeddings. Raises `NotFound` when the collection is not indexed.
    """
    collection = session.collection(name)
    if not collection.segments:
        raise NotFound(f"{name} is not indexed: run `saelake index {name}` first.", collection=name)
    texts = _texts(collection, on_progress)
    vectors = kept_vectors(session, session.lake.vectors(collection.name.corpus))
    embedded = {} if vectors is None else _vectors(session, collection, vectors)
    rows = [
        {
            "feature": feature,
            "label": text,
            "explainer": automatic(collection.name.corpus),
            "embedder": vectors.embedder if vectors and feature in embedded else None,
            "embedding": embedded.get(feature),
        }
        for feature, text in texts
    ]
    write_labels(
        session.lake, collection.settings.dictionary, pa.Table.from_pylist(rows, LABELS_COLUMNS)
    )
    return len(rows)


def _vectors(session: Session, collection: Collection, vectors: Vectors) -> dict[int, Array]:
    """The label vector of each feature that has enough evidence, float32 (width,)."""
    selected = session.select(Selection(collection=str(collection.name)))
    mean = vectors.index.vectors.mean(axis=0, dtype=np.float64)
    work = _Moments(selected.width, vectors, mean)
    total = sum(
        session.embeddings.map(selected, work), _EmbeddingSums.zero(selected.width, vectors.width)
    )
    n = max(total.n, 1)
    deviation = np.sqrt(np.maximum(total.square / n - (total.sum / n) ** 2, 0))
    usual = np.abs(total.sum) / np.maximum(total.fires, 1)
    enough = (total.fires >= MIN_DOCUMENTS) & (deviation > MIN_DEVIATION * usual)
    common = mean / max(float(np.linalg.norm(mean)), 1e-12)
    found = {}
    for feature in np.flatnonzero(enough):
        covariance = total.products[feature] / n / deviation[feature]
        found[int(feature)] = (covariance - (covariance @ common) * common).astype(np.float32)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _EmbeddingSums:
    """Sums over documents by feature (d_sae,), and times their centred embedding (d_sae, width)."""

    n: int
    fires: Array
    sum: Array
    square: Array
    products: Array

    @classmethod
    def zero(cls, d_sae: int, width: int) -> "_EmbeddingSums":
        return cls(
            n=0,
            fires=np.zeros(d_sae, np.int64),
            sum=np.zeros(d_sae),
            square=np.zeros(d_sae),
            products=np.zeros((d_sae, width)),
        )

    def __add__(self, other: "_EmbeddingSums") -> "_EmbeddingSums":
        return _EmbeddingSums(
            n=self.n + other.n,
            fires=self.fires + other.fires,
            sum=self.sum + other.sum,
            square=self.square + other.square,
            products=self.products + other.products,
        )


@dataclass(frozen=True, slots=True)
class _Moments:
    """Sums of values over the documents of a block that have a dense embedding."""

    d_sae: int
    vectors: Vectors
    mean: Array

    def __call__(self, block: Block) -> _EmbeddingSums:
        block = block[np.flatnonzero(np.isin(block.doc, self.vectors.rows))]
        values = block.values.astype(np.float64)
        centred = self.vectors.of(block.doc).astype(np.float64) - self.mean
        shape = (len(block), self.d_sae)
        matrix = sparse.csr_matrix((values, block.features, block.offsets), shape)
        return _EmbeddingSums(
            n=len(block),
            fires=np.bincount(block.features, minlength=self.d_sae),
            sum=np.bincount(block.features, values, self.d_sae),
            square=np.bincount(block.features, values**2, self.d_sae),
            products=np.asarray(matrix.T @ centred),
        )


def _texts(
    collection: Collection, on_progress: Callable[[int, int], object]
) -> Iterator[tuple[int, str]]:
    """The features that fire, and the text of each one's label."""
    background = _background(collection)
    width = collection.settings.width
    for first in range(0, width, FEATURES_AT_ONCE):
        features = range(first, min(first + FEATURES_AT_ONCE, width))
        for feature, windows in _windows(collection, features).items():
            yield feature, label_text(windows, background)
        on_progress(features.stop, width)


def _background(collection: Collection) -> Counter[str]:
    """How often each word occurs in a sample of the corpus, spread over it."""
    documents = collection.documents
    n = min(documents.n_documents, 4 * TEXTS_AT_ONCE)
    docs = np.unique(np.linspace(0, documents.n_documents - 1, n).astype(np.uint64))
    docs = docs if documents.alive is None else docs[documents.alive[docs]]
    counts: Counter[str] = Counter()
    for part in np.array_split(docs, len(docs) // TEXTS_AT_ONCE + 1):
        for text in documents.take(part, ["text"])["text"].to_pylist():
            counts.update(word.group().lower() for word in WORD.finditer(text))
    return counts


@dataclass(frozen=True, slots=True)
class TokenContext:
    """A text around a token, and which characters of it the token is."""

    text: str
    start: int
    length: int = 1

    @property
    def token(self) -> str:
        """The token's own characters."""
        return self.text[self.start : self.start + self.length].strip()


def _windows(collection: Collection, features: range) -> dict[int, list[TokenContext]]:
    """The text around the strongest tokens of each feature that fires, one a document."""
    assert collection.postings is not None
    step, alive = len(collection.segments), collection.documents.alive
    lists = collection.postings.read(features, 0, collection.segments)
    spots: list[tuple[int, int, int, int]] = []
    for i, feature in enumerate(features):
        whole = PostingList.joined(lists[i * step : (i + 1) * step], collection.codes.codec.dtype)
        whole = whole if alive is None else whole[alive[whole.doc]]
        best = whole[np.lexsort((whole.doc, -whole.max.astype(np.int64)))[:N_STRONGEST]]
        places = zip(best.doc.tolist(), best.start.tolist(), best.length.tolist(), strict=True)
        spots += [(doc, feature, start, length) for doc, start, length in places]
    spots.sort()
    windows: dict[int, list[TokenContext]] = {}
    docs = np.unique(np.array([spot[0] for spot in spots], np.uint64))
    at = 0
    for part in np.array_split(docs, len(docs) // TEXTS_AT_ONCE + 1):
        rows = collection.documents.take(part, ["text"])["text"].to_pylist()
        texts = dict(zip(part.tolist(), rows, strict=True))
        while at < len(spots) and spots[at][0] in texts:
            doc, feature, start, length = spots[at]
            windows.setdefault(feature, []).append(_window(texts[doc], start, length))
            at += 1
    return dict(sorted(windows.items()))


def _window(text: str, start: int, length: int) -> TokenContext:
    begin = max(start - WINDOW_CHARACTERS, 0)
    return TokenContext(text[begin : start + length + WINDOW_CHARACTERS], start - begin, length)


def label_text(windows: Sequence[TokenContext], background: Counter[str]) -> str:
    """The words (or other tokens) on which a feature fires, and those over-represented near them.

    Over-represented is a z of log odds over 1.96, with a Dirichlet prior of 500 words of the
    corpus (Monroe, Colaresi and Quinn 2008, equation 22).
    """
    fired: Counter[str] = Counter()
    around: Counter[str] = Counter()
    for window in windows:
        words = list(WORD.finditer(window.text))
        before = sum(word.end() <= window.start for word in words)
        inside = before < len(words) and words[before].start() < window.start + window.length
        fired[words[before].group().lower() if inside else window.token] += 1
        near = words[max(before - SPAN, 0) : before + SPAN + 1]
        around.update({word.group().lower() for word in near})  # once a window: they say it in many
    on = [word for word, _ in fired.most_common(N_FIRED)]
    near_words = [word for word in _over_represented(around, background) if word not in on]
    said = f"fires on {', '.join(filter(None, on)) or 'white space'}"
    return f"{said}; near {', '.join(near_words)}" if near_words else said


def _over_represented(counts: Counter[str], background: Counter[str]) -> list[str]:
    words = [
        word
        for word, count in sorted(counts.items())  # so that equals are in the same order each time
        if count >= LEAST_COUNT and len(word) > 1 and word not in ENGLISH_STOP_WORDS
    ]
    if not words:
        return []
    mine = np.array([counts[word] for word in words], np.float64)
    all_ = np.array([max(background[word], counts[word]) for word in words], np.float64)
    n_mine, n_all = sum(counts.values()), max(sum(background.values()), 1)
    prior = PRIOR * all_ / n_all
    odds = np.log((mine + prior) / (n_mine + PRIOR - mine - prior))
    odds -= np.log((all_ + prior) / (n_all + PRIOR - all_ - prior))
    z = odds / np.sqrt(1 / (mine + prior) + 1 / (all_ + prior))
    order = np.argsort(-z, kind="stable")[:N_CONTRAST]
    return [words[i] for i in order if z[i] > LEAST_Z]
