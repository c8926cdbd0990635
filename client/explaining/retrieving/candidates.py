"""Labels among which a model chooses: those near the phrase, or that share words with it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from saelake.answers.labels import Label
from saelake.answers.text import labelled, named
from saelake.collection import Collection
from saelake.explaining.retrieving.options import ChoosingOptions
from saelake.store.errors import NotFound

FoundBy = Literal["embeddings", "words"]
WORD = re.compile(r"\w{3,}")
STEM = 4  # letters by which one word begins another: rain, rainy


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFeature:
    """A feature, by the label that is shown; `similarity` to the phrase, where that is known."""

    feature: int | str
    label: str
    explainer: str
    score: float | None
    similarity: float | None

    @classmethod
    def of(cls, row: Label) -> "CandidateFeature":
        """The feature of a label."""
        return cls(
            feature=named(row.feature, row.pole),
            label=labelled(row.label),
            explainer=row.explainer,
            score=row.score,
            similarity=row.similarity,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFeatures:
    """Features to choose from, of `n_labels` that were looked at (None: of all, by vectors)."""

    features: tuple[CandidateFeature, ...]
    found_by: FoundBy
    n_labels: int | None = None


def candidates(collection: Collection, phrase: str, options: ChoosingOptions) -> CandidateFeatures:
    """Those whose labels are nearest the phrase; without embeddings those that share its words.

    Raises `NotFound` where there are no labels at all.
    """
    try:
        near = collection.labels(phrase, options.n_candidates, min_score=options.min_score)
    except NotFound:
        return _by_words(collection, phrase, options)
    return CandidateFeatures(features=tuple(map(CandidateFeature.of, near)), found_by="embeddings")


def _by_words(collection: Collection, phrase: str, options: ChoosingOptions) -> CandidateFeatures:
    rows = list(collection.labels(None, None, min_score=options.min_score))
    if not rows:
        raise NotFound(
            f"No feature of {collection.name} has a label, so a model has nothing to choose from: "
            f"make labels with `saelake label {collection.name}` or `saelake explain`.",
            collection=collection.name,
        )
    shared = {id(row): n_shared(phrase, row.label) for row in rows}
    rows.sort(key=lambda row: (-shared[id(row)], -(row.score or 0.0), row.feature, row.pole or ""))
    return CandidateFeatures(
        features=tuple(map(CandidateFeature.of, rows[: options.n_candidates])),
        found_by="words",
        n_labels=len(rows),
    )


def n_shared(phrase: str, label: str) -> int:
    """How many words of a phrase a label has, or begins, or has the beginning of."""
    wanted, there = _words(phrase), _words(label)
    return sum(any(_alike(word, other) for other in there) for word in wanted)


def _words(text: str) -> Sequence[str]:
    return list(dict.fromkeys(WORD.findall(text.casefold())))


def _alike(a: str, b: str) -> bool:
    shorter, longer = sorted((a, b), key=len)
    return a == b or (len(shorter) >= STEM and longer.startswith(shorter))
