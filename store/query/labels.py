"""What a dictionary's features are called."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.errors import NotFound
from saelake.store.format.lists import Array, ranges
from saelake.store.format.provenance import score_rows
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.labels.labels import SAID, LabelsTable
from saelake.store.labels.rows import known_scores
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.query.parts.labelled import kept_labels, nearest_labels
from saelake.store.query.parts.signed import dictionary_poles
from saelake.store.requests.labels import LabelsQuery
from saelake.store.snapshot.session import Session

SCORES = LABELS_COLUMNS.field("scores").type
UNTIL = LABELS_COLUMNS.field("until").type


def labels(session: Session, query: LabelsQuery) -> pa.Table:
    """Each feature's own label, or several: nearest the text first, as asked for, or by feature.

    Of a collection, labels made from its corpus go before those of others; `corpus` says from which
    each was made. `similarity` is the inner product of the text with the feature's label of one
    explainer, which the schema's metadata names: `answering`. A feature without a label is left
    out. Raises `NotFound` for a dictionary, collection or feature that does not exist, and for a
    text when the labels have no embeddings.
    """
    dictionary, corpus = _named(session, query.dictionary)
    _check(session, dictionary, query.features)
    known = kept_labels(session, dictionary, corpus, explainers=query.explainers, kind=query.score)
    rows = _with_former(known) if query.history else _current(known, query)
    if query.min_score is not None and query.text is None:
        rows = rows.filter(pc.greater_equal(rows["score"], np.float32(query.min_score)))
    labelled = np.unique(rows["feature"].to_numpy())
    near, said = None, {}
    if query.text is not None:
        near = nearest_labels(session, known, query.text, query.k or len(known), query.min_score)
        features = near.features
        said = {"answering": str(known.answering)}
    elif query.features:
        wanted = np.array(query.features)
        features = wanted[np.isin(wanted, labelled)]
    else:
        features = labelled[: query.k]
    at, of = _places(rows["feature"].to_numpy(), features)
    similarity = None if near is None else near.similarity[of]
    return _answer(known, rows.take(pa.array(at)), similarity, said)


def _current(known: LabelsTable, query: LabelsQuery) -> pa.Table:
    """Each feature's own label, or those of several explainers, by feature."""
    rows = known.each if query.is_of_several else known.best
    return rows.append_column("until", pa.nulls(rows.num_rows, UNTIL))


def _with_former(known: LabelsTable) -> pa.Table:
    """Every label that is or was said, by feature: those of now first, then the latest."""
    former = known.former([*SAID, "until"])
    former = former.sort_by([("feature", "ascending"), ("until", "descending")])
    each = known.each.append_column("until", pa.nulls(known.each.num_rows, UNTIL))
    rows = pa.concat_tables([each, former.cast(each.schema)])
    order = np.argsort(rows["feature"].to_numpy(), kind="stable")
    return rows.take(pa.array(order))


def _places(stored: Array, features: Array) -> tuple[Array, Array]:
    """The rows of each feature, which are ascending; and which of the features each row is of."""
    first = np.searchsorted(stored, features, "left")
    n = np.searchsorted(stored, features, "right") - first
    of = np.repeat(np.arange(len(features)), n)
    return ranges(first, n), of


def _answer(
    known: LabelsTable, rows: pa.Table, similarity: Array | None, said: dict[str, str]
) -> pa.Table:
    shown = pa.nulls(rows.num_rows, pa.float32()) if similarity is None else pa.array(similarity)
    told = known.provenance(rows)
    whole = rows.append_column("scores", told["scores"])
    scores = [score_rows(known_scores(row)) for row in whole.to_pylist()]
    columns = {name: rows[name] for name in LabelsQuery.answer.names if name in rows.schema.names}
    more = {"scores": pa.array(scores, SCORES), "made": told["made"], "similarity": shown}
    found = pa.table({**columns, **more}).select(LabelsQuery.answer.names)
    return found.cast(LabelsQuery.answer).replace_schema_metadata(said)


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
