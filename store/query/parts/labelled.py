"""Features by their labels: what they are called, and which of them stand for a phrase."""

from saelake.store.format.lists import Array
from saelake.store.labels.labels import LabelsTable
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session


def labels_of(session: Session, collection: Collection) -> LabelsTable:
    """The labels of a collection's dictionary, as its corpus sees them."""
    return kept_labels(session, collection.settings.dictionary, collection.name.corpus)


def kept_labels(session: Session, dictionary: str, corpus: str | None = None) -> LabelsTable:
    """The labels of a dictionary, kept in memory while they are the newest."""
    found = LabelsTable.open(session.lake, dictionary, corpus)
    key = (session.lake.labels(dictionary), corpus, found.version)
    return session.cache.kept(key, lambda: found, lambda labels: labels.n_bytes)


def phrase_features(
    session: Session, collection: Collection, phrase: str, k: int
) -> tuple[Array, Array]:
    """The `k` features whose labels are nearest a phrase, nearest first, and how near.

    Raises `NotFound` when the dictionary's labels have no embeddings.
    """
    return nearest_labels(session, labels_of(session, collection), phrase, k)


def nearest_labels(
    session: Session, labels: LabelsTable, phrase: str, k: int
) -> tuple[Array, Array]:
    """The features of the labels nearest a phrase, and the inner products."""
    return labels.nearest(session.texts.embed(labels.embedder, [phrase]), k)
