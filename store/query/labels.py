"""What a dictionary's features are called."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.errors import NotFound
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.query.parts.labelled import kept_labels, nearest_labels
from saelake.store.query.parts.signed import dictionary_poles
from saelake.store.requests.labels import LabelsQuery
from saelake.store.snapshot.session import Session


def labels(session: Session, query: LabelsQuery) -> pa.Table:
    """Each feature's own label: nearest the text first, as asked for, or by feature.

    Of a collection, labels made from its corpus go before those of others; `corpus` says from which
    each was made. `similarity` is the inner product of the text with the feature's label of one
    explainer, which the schema's metadata names: `answering`. A feature without a label is left
    out. Raises `NotFound` for a dictionary, collection or feature that does not exist, and for a
    text when the labels have no embeddings.
    """
    dictionary, corpus = _named(session, query.dictionary)
    _check(session, dictionary, query.features)
    known = kept_labels(session, dictionary, corpus)
    best, similarity, said = known.best, None, {}
    if query.min_score is not None and query.text is None:
        best = best.filter(pc.greater_equal(best["score"], np.float32(query.min_score)))
    labelled = best["feature"].to_numpy()
    if query.text is not None:
        found = nearest_labels(session, known, query.text, query.k or len(known), query.min_score)
        features, similarity = found.features, found.similarity
        said = {"answering": str(known.answering)}
    elif query.features:
        wanted = np.array(query.features)
        features = wanted[np.isin(wanted, labelled)]
    else:
        features = labelled[: query.k]
    rows = best.take(pa.array(np.searchsorted(labelled, features)))
    shown = pa.nulls(len(features), pa.float32()) if similarity is None else pa.array(similarity)
    rows = rows.append_column("similarity", shown).select(LabelsQuery.answer.names)
    return rows.cast(LabelsQuery.answer).replace_schema_metadata(said)


def _named(session: Session, name: str) -> tuple[str, str | None]:
    """The dictionary that is named, and the corpus, where it is by a collection."""
    if "/" not in name:
        return name, None
    collection = session.collection(name).name
    return collection.dictionary, collection.corpus


def _check(session: Session, dictionary: str, features: Sequence[int]) -> None:
    d_sae = RegisteredDictionary.open(session.lake, dictionary).d_sae
    width = dictionary_poles(session, dictionary).width
    outside = next((f for f in features if not 0 <= f < width), None)
    if outside is not None:
        raise NotFound(
            f"{dictionary} has no feature {outside}: its features are 0 to {d_sae - 1}.",
            feature=outside,
        )
