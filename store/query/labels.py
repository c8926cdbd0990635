"""What a dictionary's features are called."""

import numpy as np
import pyarrow as pa

from saelake.store.errors import NotFound
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.query.parts.labelled import kept_labels, nearest_labels
from saelake.store.query.parts.signed import dictionary_poles
from saelake.store.requests.labels import LabelsQuery
from saelake.store.snapshot.session import Session


def labels(session: Session, query: LabelsQuery) -> pa.Table:
    """Each feature's own label: nearest the text first, as asked for, or by feature.

    `similarity` is the inner product with the text. A feature without a label is left out. Raises
    `NotFound` for a dictionary or feature that does not exist, and for a text when the labels have
    no embeddings.
    """
    _check(session, query)
    known = kept_labels(session, query.dictionary)
    labelled = known.best["feature"].to_numpy()
    similarity = None
    if query.text is not None:
        k = query.k or len(known)
        features, similarity = nearest_labels(session, known, query.text, k)
    elif query.features:
        wanted = np.array(query.features)
        features = wanted[np.isin(wanted, labelled)]
    else:
        features = labelled[: query.k]
    rows = known.best.take(pa.array(np.searchsorted(labelled, features)))
    shown = pa.nulls(len(features), pa.float32()) if similarity is None else pa.array(similarity)
    return rows.append_column("similarity", shown).cast(LabelsQuery.answer)


def _check(session: Session, query: LabelsQuery) -> None:
    known = RegisteredDictionary.open(session.lake, query.dictionary)
    width = dictionary_poles(session, query.dictionary).width
    outside = next((f for f in query.features if not 0 <= f < width), None)
    if outside is not None:
        raise NotFound(
            f"{query.dictionary} has no feature {outside}: its features are 0 to "
            f"{known.d_sae - 1}.",
            feature=outside,
        )
