"""What a dictionary's features are called."""

import numpy as np
import pyarrow as pa

from saelake.store.errors import NotFound
from saelake.store.query.parts.labelled import kept_labels, nearest_labels
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
    registered = session.dictionary(query.dictionary)
    if not registered:
        session.lake.tables()  # says so, where there is no lake at all
        raise NotFound(
            f"{session.lake.uri} has no dictionary {query.dictionary!r}. See `saelake info`.",
            dictionary=query.dictionary,
        )
    d_sae = registered["d_sae"]
    outside = next((f for f in query.features if not 0 <= f < d_sae), None)
    if outside is not None:
        raise NotFound(
            f"{query.dictionary} has no feature {outside}: its features are 0 to {d_sae - 1}.",
            feature=outside,
        )
