"""Features with near decoder directions."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from saelake.store.errors import NotFound
from saelake.store.format.lists import Array
from saelake.store.format.poles import Poles
from saelake.store.format.schema import check_name
from saelake.store.index.vectors import Vectors
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.query.parts.dense import kept_vectors
from saelake.store.query.parts.labelled import kept_labels
from saelake.store.query.parts.signed import dictionary_poles
from saelake.store.requests.neighbors import NeighborsQuery
from saelake.store.snapshot.session import Session


@dataclass(frozen=True, slots=True)
class DecoderDirections:
    """A dictionary's decoder directions, of length 1; a negative pole's is its feature's, turned.

    `vectors` are those of the features.
    """

    vectors: Vectors
    poles: Poles

    def every(self) -> Array:
        """The poles that have one, ascending, int64."""
        features = self.vectors.rows.astype(np.int64)
        return np.append(features, features + self.poles.d_sae) if self.poles.signed else features

    def of(self, poles: Array) -> Array:
        """The directions of these poles, (n, width), without those that have none."""
        features = self.poles.features(poles)
        known = np.isin(features, self.vectors.rows)
        found: Array = self.vectors.of(features[known].astype(np.uint64))
        return found * self.poles.signs(poles[known])[:, None]

    def nearest(self, queries: Array, k: int) -> tuple[Array, Array]:
        """Poles int64 and cosines, each (n_queries, k), nearest first, ties by pole.

        Places that nothing is left for are -1.
        """
        poles, cosines = self._one_way(queries, k)
        if not self.poles.signed:
            return poles, cosines
        others, theirs = self._one_way(-queries, k)
        others = np.where(others >= 0, others + self.poles.d_sae, -1)
        poles, cosines = np.hstack([poles, others]), np.hstack([cosines, theirs])
        order = np.lexsort((poles, -cosines), axis=1)[:, :k]
        return np.take_along_axis(poles, order, 1), np.take_along_axis(cosines, order, 1)

    def _one_way(self, queries: Array, k: int) -> tuple[Array, Array]:
        """The features with the largest products, as they are stored."""
        rows, cosines = self.vectors.index.nearest(queries, k)
        features = self.vectors.rows[rows].astype(np.int64)
        return np.where(rows >= 0, features, -1), cosines


def decoder(session: Session, dictionary: str) -> DecoderDirections:
    """A dictionary's decoder directions. Raises `NotFound` and `InvalidInput`."""
    found = kept_vectors(session, session.lake.decoder(check_name("dictionary", dictionary)))
    if found is None:
        session.lake.tables()  # says so, where there is no lake at all
        known = RegisteredDictionary.find(session.lake, dictionary)
        why = "They are stored when a corpus is encoded: run `saelake encode` again."
        if known is not None and known.is_imported:
            why = "Its codes were made elsewhere: compare features by `correlate` or `match`."
        raise NotFound(
            f"{session.lake.uri} has no decoder directions of {dictionary!r}. {why}",
            dictionary=dictionary,
        )
    return DecoderDirections(found, dictionary_poles(session, dictionary))


def neighbors(session: Session, query: NeighborsQuery) -> pa.Table:
    """The poles whose decoder directions are nearest, without the pole asked about."""
    directions = decoder(session, query.dictionary)
    own = directions.of(np.array([query.feature], np.int64))
    if len(own) == 0:
        raise NotFound(
            f"{query.dictionary} has no feature {query.feature}: its features are 0 to "
            f"{len(directions.vectors.rows) - 1}.",
            feature=query.feature,
        )
    poles, cosines = (found[0] for found in directions.nearest(own, query.k + 1))
    other = (poles >= 0) & (poles != query.feature)
    poles, cosines = poles[other][: query.k], cosines[other][: query.k]
    labels = kept_labels(session, query.dictionary).of(poles)
    columns = {"feature": poles, "cosine": cosines, "label": labels}
    return pa.Table.from_pydict(columns, schema=NeighborsQuery.answer)
