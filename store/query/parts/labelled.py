"""Features by their labels: what they are called, and which of them stand for a phrase."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saelake.store.format.lists import Array
from saelake.store.format.provenance import ScoreKind
from saelake.store.labels.labels import EMBEDDED, LabelsTable
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session


def labels_of(session: Session, collection: Collection) -> LabelsTable:
    """The labels of a collection's dictionary, as its corpus sees them."""
    return kept_labels(session, collection.settings.dictionary, collection.name.corpus)


def kept_labels(
    session: Session,
    dictionary: str,
    corpus: str | None = None,
    *,
    explainers: Sequence[str] = (),
    kind: ScoreKind | None = None,
) -> LabelsTable:
    """The labels of a dictionary, kept in memory while they are the newest (see `LabelsTable`)."""
    found = LabelsTable.open(session.lake, dictionary, corpus, explainers=explainers, kind=kind)
    key = (session.lake.labels(dictionary), corpus, found.key)
    return session.cache.kept(key, lambda: found, lambda labels: labels.n_bytes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chosen:
    """The features that stand for a phrase, nearest first: int64, and how near, float32 (n,).

    Where they are given by who asks, nothing says how near they are: NaN.
    """

    labels: LabelsTable
    features: Array
    similarity: Array
    are_given: bool = False

    def said(self, weights: Array | None = None) -> dict[str, str]:
        """What an answer's metadata says: `chosen`, a JSON list of features, with these weights.

        The labels are those that were compared with the phrase; of features that are given,
        those that they have.
        """
        weights = np.ones(len(self.features)) if weights is None else weights
        near = [None if math.isnan(value) else value for value in self.similarity.tolist()]
        measured = zip(self._rows(), near, weights.tolist(), strict=True)
        said = [row | {"similarity": near, "weight": weight} for row, near, weight in measured]
        return {"chosen": json.dumps(said, ensure_ascii=False)}

    def _rows(self) -> list[dict[str, Any]]:
        if not self.are_given:
            rows: list[dict[str, Any]] = self.labels.embedded_rows(self.features).to_pylist()
            return rows
        known = self.labels.rows(self.features).select(EMBEDDED).to_pylist()
        return [row | {"feature": f} for row, f in zip(known, self.features.tolist(), strict=True)]


def phrase_features(
    session: Session, collection: Collection, phrase: str, k: int, min_score: float | None = None
) -> Chosen:
    """The `k` features whose labels are nearest a phrase.

    With `min_score` of those that have at least this score. Raises `NotFound` when the dictionary's
    labels have no embeddings, and when none has such a score.
    """
    return nearest_labels(session, labels_of(session, collection), phrase, k, min_score)


def nearest_labels(
    session: Session, labels: LabelsTable, phrase: str, k: int, min_score: float | None = None
) -> Chosen:
    """The features of the labels nearest a phrase, and the inner products."""
    vector = session.texts.embed(labels.embedder, [phrase])
    features, similarity = labels.nearest(vector, k, min_score)
    return Chosen(labels=labels, features=features, similarity=similarity)
