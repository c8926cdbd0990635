"""Automatic labels: what a feature fires on, and what the documents it fires in are about.

The text of a label is for people: the words that hold the feature's strongest tokens, the words
that hold most of its activation, and the words over-represented around the strongest. No model
reads or judges it, and its explainer says so. With it stand the share of the feature's activation
that is on its words, and how well they predict where the feature fires in documents that were held
back (`store.labels.scores`; docs/decisions/021-labels.md has what was measured).

The vector of a label is for finding features by a phrase (`label_vectors`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from saelake.store.errors import InvalidInput, NotFound
from saelake.store.format.provenance import LabelScore, score_rows
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.growth.label_evidence import Evidence, evidence_of, held_back
from saelake.store.growth.label_vectors import label_vectors
from saelake.store.index.segments import PostingList
from saelake.store.labels.commits import LabelEdit, commit_labels
from saelake.store.labels.labels import LabelsTable, automatic, write_labels
from saelake.store.labels.rows import Row, known_scores, now, scored
from saelake.store.labels.scores import UNSCORED, Score
from saelake.store.labels.words import WORD
from saelake.store.query.parts.dense import kept_vectors
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session
from saelake.store.tables.tables import Table

N_STRONGEST = 20  # documents of a feature whose words are looked at
N_FIRED, N_TYPICAL, N_CONTRAST = 5, 8, 8  # words of a label
SPAN = 6  # words on each side
WINDOW_CHARACTERS = 120  # on each side of a token, which hold these words
PRIOR = 500  # words' worth of the corpus in each feature's counts (Monroe et al. 2008)
LEAST_Z, LEAST_COUNT = 1.96, 2
FEATURES_AT_ONCE = 4096
TEXTS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelWords:
    """The words of a label: `strongest` hold the strongest tokens, `typical` most activation."""

    strongest: tuple[str, ...]
    typical: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    is_scored: bool = True  # not where they are of documents held back, as there were no others

    @property
    def fired(self) -> tuple[str, ...]:
        """The words on which the feature fires."""
        return (*self.strongest, *self.typical)

    def __str__(self) -> str:
        parts = [f"fires on {', '.join(self.strongest) or 'white space'}"]
        parts += [f"also on {', '.join(self.typical)}"] if self.typical else []
        parts += [f"near {', '.join(self.near)}"] if self.near else []
        return "; ".join(parts)


def label_collection(
    session: Session,
    name: str,
    *,
    on_progress: Callable[[int, int], object] = lambda *_: None,
) -> int:
    """Label every feature that fires in an indexed collection; how many have a label.

    Replaces what this made before; labels of other explainers stay, and get a score by their words
    beside those that they have. `on_progress` is told how many of how many features are done.
    Vectors are made where the documents have dense embeddings. Raises `NotFound` when the
    collection is not indexed, and `InvalidInput` where no tokens have its codes.
    """
    collection = session.collection(name)
    if collection.settings.unit != "token":
        raise InvalidInput(
            f"Automatic labels are words on which features fire, and the codes of {name} are of "
            f"{collection.settings.unit}s. Let a model explain them (`saelake explain {name}`), or "
            "take labels from a file (`saelake label --file`).",
            collection=name,
        )
    if not collection.segments:
        raise NotFound(f"{name} is not indexed: run `saelake index {name}` first.", collection=name)
    evidence = evidence_of(collection, _n_codes(session, collection))
    words = dict(_words(collection, evidence, on_progress))
    vectors = kept_vectors(session, session.lake.vectors(collection.name.corpus))
    embedded = {} if vectors is None else label_vectors(session, collection, vectors)
    scores = evidence.scores({f: label.fired for f, label in words.items() if label.is_scored})
    corpus, dictionary = collection.name.corpus, collection.settings.dictionary
    before = _made_before(session, dictionary, corpus)
    rows = [
        {
            "feature": feature,
            "label": str(label),
            "explainer": automatic(corpus),
            "embedder": vectors.embedder if vectors and feature in embedded else None,
            "embedding": embedded.get(feature),
            "corpus": corpus,
            "coverage": evidence.coverage(feature, label.fired),
            "made": before.get((feature, str(label)), {"time": now()}),
            **_scored(scores.get(feature, UNSCORED), corpus),
        }
        for feature, label in words.items()
    ]
    write_labels(session.lake, dictionary, pa.Table.from_pylist(rows, LABELS_COLUMNS))
    _score_imported(session, dictionary, corpus, evidence)
    return len(rows)


def _made_before(session: Session, dictionary: str, corpus: str) -> dict[tuple[int, str], Any]:
    """What was made of the automatic labels that there are: the same text is made once."""
    mine = LabelsTable.open(session.lake, dictionary, explainers=[automatic(corpus)])
    rows = mine.read(["feature", "label", "made"]).to_pylist()
    return {(row["feature"], row["label"]): row["made"] for row in rows if row["made"]}


def _n_codes(session: Session, collection: Collection) -> int:
    """About how many codes there are, as the statistics of features say."""
    table = Table.find(session.lake.features(collection.name))
    if table is None:
        return 0
    batches = table.scan(["token_frequency"])
    return sum(int(np.asarray(batch["token_frequency"]).sum()) for batch in batches)


def _scored(score: Score, corpus: str) -> dict[str, Any]:
    """What a label's row says of its score."""
    return {
        "score": score.score,
        "score_low": score.low,
        "score_high": score.high,
        "n_positive": score.n_positive,
        "n_negative": score.n_negative,
        "scored_on": corpus,
        "score_kind": None if score.score is None else "words",
        "scores": score_rows(_by_words(score, corpus)),
    }


def _by_words(score: Score, corpus: str) -> tuple[LabelScore, ...]:
    """The score as one of several of a label; none of too few documents."""
    if score.score is None:
        return ()
    n = score.n_positive + score.n_negative
    value, low, high = score.score, score.low, score.high
    return (LabelScore(kind="words", value=value, low=low, high=high, n=n, on=corpus),)


def _score_imported(session: Session, dictionary: str, corpus: str, evidence: Evidence) -> None:
    """Score the labels of others by their words, beside the scores that their makers gave."""
    labels = LabelsTable.open(session.lake, dictionary)
    rows = labels.read(["feature", "label", "explainer", "corpus"]).to_pylist()
    imported = [row for row in rows if row["corpus"] is None]
    found: dict[tuple[str, int, str], Score] = {}
    for explainer in sorted({row["explainer"] for row in imported}):
        mine = {row["feature"]: row["label"] for row in imported if row["explainer"] == explainer}
        scores = evidence.scores({feature: _content(label) for feature, label in mine.items()})
        found |= {(explainer, f, label): scores[f] for f, label in mine.items()}

    def decide(stored: pa.Table) -> LabelEdit | None:
        columns = [stored[name].to_pylist() for name in ("explainer", "feature", "label")]
        goes = np.array([key in found for key in zip(*columns, strict=True)], bool)
        anew = [
            _rescored(row, found[row["explainer"], row["feature"], row["label"]], corpus)
            for row in stored.filter(pa.array(goes)).to_pylist()
        ]
        return LabelEdit(goes=goes, rows=pa.Table.from_pylist(anew, LABELS_COLUMNS))

    if found:
        commit_labels(session.lake, dictionary, decide)


def _rescored(row: Row, score: Score, corpus: str) -> Row:
    """The row with this score by its words, among the others that it has."""
    others = tuple(each for each in known_scores(row) if each.kind != "words")
    counts = {"n_positive": score.n_positive, "n_negative": score.n_negative}
    whole = scored({**row, **counts}, (*others, *_by_words(score, corpus)))
    return whole if whole["score"] is not None else {**whole, **counts, "scored_on": corpus}


def _content(label: str) -> list[str]:
    """The words of a label that somebody wrote, without those that say nothing."""
    words = (match.group().lower() for match in WORD.finditer(label))
    return [word for word in words if word not in ENGLISH_STOP_WORDS]


def _words(
    collection: Collection, evidence: Evidence, on_progress: Callable[[int, int], object]
) -> Iterator[tuple[int, LabelWords]]:
    """The features that fire, and the words of each one's label."""
    background = _background(collection)
    width = collection.settings.width
    for first in range(0, width, FEATURES_AT_ONCE):
        features = range(first, min(first + FEATURES_AT_ONCE, width))
        for feature, windows in _windows(collection, features).items():
            typical = evidence.typical(feature, N_FIRED + N_TYPICAL)
            yield feature, label_words(windows, background, typical)
        on_progress(features.stop, width)


def _background(collection: Collection) -> Counter[str]:
    """How often each word occurs in a sample of the corpus, spread over it."""
    documents = collection.documents
    n = min(documents.n_documents, 4 * TEXTS_AT_ONCE)
    docs = np.unique(np.linspace(0, documents.n_documents - 1, n).astype(np.uint64))
    docs = docs if documents.alive is None else docs[documents.alive[docs]]
    docs = docs[~held_back(docs)]
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
    is_held_back: bool = False  # of a document that no label is to be made of

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
        others = whole[~held_back(whole.doc)]
        whole = others if len(others) else whole
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
        held = set(part[held_back(part)].tolist())
        while at < len(spots) and spots[at][0] in texts:
            doc, feature, start, length = spots[at]
            window = replace(_window(texts[doc], start, length), is_held_back=doc in held)
            windows.setdefault(feature, []).append(window)
            at += 1
    return dict(sorted(windows.items()))


def _window(text: str, start: int, length: int) -> TokenContext:
    begin = max(start - WINDOW_CHARACTERS, 0)
    return TokenContext(text[begin : start + length + WINDOW_CHARACTERS], start - begin, length)


def label_text(
    windows: Sequence[TokenContext], background: Counter[str], typical: Sequence[str] = ()
) -> str:
    """The text of a label (see `label_words`)."""
    return str(label_words(windows, background, typical))


def label_words(
    windows: Sequence[TokenContext], background: Counter[str], typical: Sequence[str] = ()
) -> LabelWords:
    """The words (or other tokens) on which a feature fires, and those over-represented near them.

    `typical` are those that hold most of its activation, the most first. Over-represented is a z
    of log odds over 1.96, with a Dirichlet prior of 500 words of the corpus (Monroe, Colaresi and
    Quinn 2008, equation 22).
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
    also = [word for word in typical if word and word not in on][:N_TYPICAL]
    near_words = [w for w in _over_represented(around, background) if w not in (*on, *also)]
    return LabelWords(
        strongest=tuple(filter(None, on)),
        typical=tuple(also),
        near=tuple(near_words),
        is_scored=not any(window.is_held_back for window in windows),
    )


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
