"""Maps of a collection: its documents, or its features, laid out in two dimensions and stored.

Documents are points as `cluster` has them (`store.query.parts.points`), features by their decoder
directions. A sample is laid out (`store.growth.layouts`), and every other point is placed at the
mean of those of the sample that are most like it, weighted by how like they are; so memory is that
of the sample, and three numbers for each of the others. Clusters are those of k-means, of the
points and not of the map, in which distances are distorted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD

from saelake.store.codes.embeddings import Block
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.format.lists import Array, concatenate
from saelake.store.growth.layouts import VERSION, laid_out, layout_of
from saelake.store.index.maps import DOCUMENTS, FEATURES, MapMade, write_map
from saelake.store.index.vectors import VectorIndex, Vectors
from saelake.store.query.parts.frequencies import frequencies
from saelake.store.query.parts.left_out import n_encoded
from saelake.store.query.parts.points import (
    N_VECTORS,
    SAMPLE_DOCUMENTS,
    Kept,
    Projection,
    Used,
    ascending,
    singular,
)
from saelake.store.reports import MapReport
from saelake.store.requests.checks import Selection
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session
from saelake.store.tables.tables import Table

N_CLUSTERS = 10  # as many as a page has hues for
STARTS = 4  # of k-means
N_NEAR = 5  # of the sample, among which another point is placed
LEAST_POINTS = 4
POINTS_AT_ONCE = 4096
MOST_SEED = 2**31 - 1  # that PaCMAP takes

Progress = Callable[[int, int], object]


def make_map(
    session: Session,
    name: str,
    of: str = DOCUMENTS,
    *,
    seed: int = 0,
    on_progress: Progress = lambda *_: None,
) -> MapReport:
    """Make the map of a collection's documents or features, in place of the one it had.

    Documents in which nothing fires are not on it, nor are features that fire in none.
    `on_progress` is told how many of how many points are placed. Until it is whole, the former
    stays. Equal for equal seeds. Raises `NotFound`, and `InvalidInput` for fewer than 4 points.
    """
    if not 0 <= seed <= MOST_SEED:
        raise InvalidInput(f"The seed is from 0 to {MOST_SEED}, not {seed}.")
    if of not in (DOCUMENTS, FEATURES):
        raise InvalidInput(f"A map is of {DOCUMENTS} or of {FEATURES}, not of {of!r}.")
    collection = session.collection(name)
    drawn = _drawn(session, collection, of, seed)
    if drawn.n < LEAST_POINTS:
        raise InvalidInput(
            f"{name} has {drawn.n} {of} in which anything fires: {LEAST_POINTS} are the least to "
            "make a map of.",
            collection=name,
        )
    layout = MapLayout.of(drawn.fitted_rows, drawn.fitted, seed)
    parts = []
    n_done = 0
    for part in drawn.placed(layout):
        parts.append(part)
        n_done += len(part.row)
        on_progress(n_done, drawn.n)
    made = MapMade(
        of=of,
        method=layout_of(len(layout.rows)),
        version=VERSION,
        seed=seed,
        n=n_done,
        n_fitted=len(layout.rows),
        n_clusters=layout.n_clusters,
        n_silent=drawn.n_silent,
        codes=collection.codes.table.contents,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_map(session.lake.map(collection.name, of), made, PlacedPoints.joined(parts).columns())
    return MapReport(
        collection=name, of=of, n=n_done, n_fitted=made.n_fitted, n_clusters=made.n_clusters
    )


# -- What is laid out, and where what is like it goes.


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPoints:
    """Points on the map: `row` uint64, `xy` float32 (n, 2), `cluster` (n,)."""

    row: Array
    xy: Array
    cluster: Array

    @classmethod
    def joined(cls, parts: list["PlacedPoints"]) -> "PlacedPoints":
        """All points, ascending."""
        row = concatenate((part.row for part in parts), np.uint64)
        order = np.argsort(row)
        return cls(
            row=row[order],
            xy=np.concatenate([part.xy for part in parts])[order],
            cluster=np.concatenate([part.cluster for part in parts])[order],
        )

    def columns(self) -> dict[str, Array]:
        """As they are stored."""
        x, y = self.xy.T
        return {"row": self.row, "x": x, "y": y, "cluster": self.cluster.astype(np.uint32)}


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLayout:
    """A sample laid out: `rows` uint64 ascending, their places, and the centres of clusters."""

    rows: Array
    xy: Array
    index: VectorIndex
    centres: Array

    @classmethod
    def of(cls, rows: Array, points: Array, seed: int) -> "MapLayout":
        """The layout of points of length 1, float32 (n, width)."""
        n_clusters = min(N_CLUSTERS, len(np.unique(points, axis=0)))
        model = KMeans(n_clusters, n_init=STARTS, random_state=seed).fit(points)
        centres = model.cluster_centers_.astype(np.float32)
        sizes = np.bincount(model.labels_, minlength=n_clusters)
        return cls(
            rows=rows,
            xy=laid_out(points, seed),
            index=VectorIndex(points),
            centres=centres[np.argsort(-sizes, kind="stable")],
        )

    @property
    def n_clusters(self) -> int:
        """How many clusters there are, the largest of the sample first."""
        return len(self.centres)

    def place(self, rows: Array, points: Array) -> PlacedPoints:
        """Where these points go: those of the sample to their own places."""
        near, likeness = self.index.nearest(points, min(N_NEAR, len(self.rows)))
        weight = np.maximum(likeness, np.float32(1e-6))
        xy = (self.xy[near] * weight[:, :, None]).sum(axis=1) / weight.sum(axis=1)[:, None]
        at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        is_own = self.rows[at] == rows
        xy[is_own] = self.xy[at[is_own]]
        nearest = points @ self.centres.T - (self.centres**2).sum(axis=1) / 2
        return PlacedPoints(row=rows, xy=xy.astype(np.float32), cluster=np.argmax(nearest, axis=1))


# -- The points of documents, and those of features.


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """`n` points, those of a sample in memory, and how all of them are placed, part by part.

    Nothing fires in `n_silent` documents, which have none.
    """

    n: int
    n_silent: int = 0
    fitted_rows: Array
    fitted: Array
    placed: Callable[[MapLayout], Iterator[PlacedPoints]]


def _drawn(session: Session, collection: Collection, of: str, seed: int) -> Drawn:
    if of == FEATURES:
        return _features(session, collection, seed)
    return _documents(session, collection, seed)


def _documents(session: Session, collection: Collection, seed: int) -> Drawn:
    selected = session.select(Selection(collection=str(collection.name)))
    kept = Kept(np.ones(selected.width, np.bool_))
    used = Used.of(session.embeddings.map(selected, kept))
    if len(used.doc) < LEAST_POINTS:
        empty = np.empty(0, np.uint64)
        return Drawn(n=len(used.doc), fitted_rows=empty, fitted=empty, placed=lambda _: iter(()))
    n, df = frequencies(session, selected)
    weights = np.log((n + 1) / (df + 1)).astype(np.float32)
    fitted = used.sample(selected, LEAST_POINTS, seed)
    sample = ascending(list(session.embeddings.map(fitted, kept)))
    points = singular(sample, weights, seed)

    def placed(layout: MapLayout) -> Iterator[PlacedPoints]:
        return session.embeddings.map(selected, _PutOnMap(kept, points, layout))

    return Drawn(
        n=len(used.doc),
        n_silent=n_encoded(session, selected) - len(used.doc),
        fitted_rows=sample.doc,
        fitted=points(sample),
        placed=placed,
    )


@dataclass(frozen=True, slots=True)
class _PutOnMap:
    """The documents of a block on the map."""

    kept: Kept
    points: Projection
    layout: MapLayout

    def __call__(self, block: Block) -> PlacedPoints:
        block = self.kept(block)
        return self.layout.place(block.doc, self.points(block))


def _features(session: Session, collection: Collection, seed: int) -> Drawn:
    dictionary = collection.settings.dictionary
    vectors = Vectors.open(session.lake.decoder(dictionary))
    if vectors is None:
        raise NotFound(
            f"{session.lake.uri} has no decoder directions of {dictionary!r}. They are stored when "
            "a corpus is encoded: run `saelake encode` again.",
            dictionary=dictionary,
        )
    rows = vectors.rows[np.isin(vectors.rows, _firing(session, collection))]
    chosen = rows
    if len(rows) > SAMPLE_DOCUMENTS:
        chosen = np.sort(np.random.default_rng(seed).choice(rows, SAMPLE_DOCUMENTS, replace=False))
    directions = vectors.of(chosen)
    narrow = _narrowing(directions, seed)

    def placed(layout: MapLayout) -> Iterator[PlacedPoints]:
        for i in range(0, len(rows), POINTS_AT_ONCE):
            part = rows[i : i + POINTS_AT_ONCE]
            yield layout.place(part, narrow(vectors.of(part)))

    return Drawn(n=len(rows), fitted_rows=chosen, fitted=narrow(directions), placed=placed)


def _firing(session: Session, collection: Collection) -> Array:
    """The features that fire in some document, uint64; of a signed dictionary in either way."""
    table = Table.find(session.lake.features(collection.name))
    if table is None or not table.n_rows:
        name = str(collection.name)
        raise NotFound(f"{name} is not indexed: run `saelake index {name}` first.", collection=name)
    counts = table.read(["feature", "document_frequency"])
    fires = np.asarray(counts["feature"])[np.asarray(counts["document_frequency"]) > 0]
    features = collection.settings.poles.features(fires)
    return np.unique(features).astype(np.uint64)


def _narrowing(directions: Array, seed: int) -> Callable[[Array], Array]:
    """What makes points of length 1 of directions, in fewer dimensions where these are many."""
    if min(directions.shape) <= N_VECTORS:
        return _unit
    model = TruncatedSVD(N_VECTORS, random_state=seed).fit(directions)
    return lambda given: _unit(model.transform(given))


def _unit(points: Array) -> Array:
    length = np.linalg.norm(points, axis=1, keepdims=True)
    unit: Array = (points / np.maximum(length, 1e-12)).astype(np.float32)
    return unit
