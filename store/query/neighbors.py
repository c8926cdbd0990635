"""Features with near decoder directions."""

import numpy as np
import pyarrow as pa

from saelake.store.errors import NotFound
from saelake.store.format.schema import check_name
from saelake.store.index.vectors import Vectors
from saelake.store.query.parts.dense import kept_vectors
from saelake.store.query.parts.labelled import kept_labels
from saelake.store.requests.neighbors import NeighborsQuery
from saelake.store.snapshot.session import Session


def decoder(session: Session, dictionary: str) -> Vectors:
    """A dictionary's decoder directions, of length 1. Raises `NotFound` and `InvalidInput`."""
    found = kept_vectors(session, session.lake.decoder(check_name("dictionary", dictionary)))
    if found is None:
        session.lake.tables()  # says so, where there is no lake at all
        raise NotFound(
            f"{session.lake.uri} has no decoder directions of {dictionary!r}. They are stored when "
            "a corpus is encoded: run `saelake encode` again.",
            dictionary=dictionary,
        )
    return found


def neighbors(session: Session, query: NeighborsQuery) -> pa.Table:
    """The features whose decoder directions are nearest, without the feature itself."""
    directions = decoder(session, query.dictionary)
    own = directions.of(np.array([query.feature], np.int64))
    if len(own) == 0:
        raise NotFound(
            f"{query.dictionary} has no feature {query.feature}: its features are 0 to "
            f"{len(directions.rows) - 1}.",
            feature=query.feature,
        )
    rows, cosines = (found[0] for found in directions.index.nearest(own, query.k + 1))
    features = directions.rows[rows]
    other = (rows >= 0) & (features != query.feature)
    features, cosines = features[other][: query.k], cosines[other][: query.k]
    labels = kept_labels(session, query.dictionary).of(features)
    columns = {"feature": features, "cosine": cosines, "label": labels}
    return pa.Table.from_pydict(columns, schema=NeighborsQuery.answer)
