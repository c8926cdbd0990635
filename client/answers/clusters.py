"""Clusters of documents.

`pole` is + or - where the dictionary is signed, and tells which pole of the feature is meant; of
others it is None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from saelake.answers.about import metadata
from saelake.answers.answer import Answer
from saelake.answers.asking import AsksMore
from saelake.answers.drawing import MOST
from saelake.answers.found import TEXT_SHOWN, chosen
from saelake.answers.maps import MOST_CATEGORIES, MapPoints
from saelake.answers.plain import plain, standing
from saelake.answers.text import labelled, named, one_line
from saelake.answers.view import View
from saelake.store.errors import InvalidInput, extra

HUES = MOST_CATEGORIES  # of clusters with a colour of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class DistinctiveFeature:
    """A feature that fires more often in a cluster than out of it."""

    feature: int
    pole: str | None = None
    label: str | None
    frequency_in: float
    frequency_out: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CentralDocument:
    """A document that is like the others of its cluster."""

    doc: int
    id: str
    centrality: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Documents alike: `docs` are their numbers, ascending, and `centrality` of each."""

    cluster: int
    n_documents: int
    features: tuple[DistinctiveFeature, ...]
    central: tuple[CentralDocument, ...]
    docs: tuple[int, ...]
    centrality: tuple[float, ...]

    @classmethod
    def of(
        cls,
        *,
        features: Sequence[Mapping[str, Any]],
        central: Sequence[Mapping[str, Any]],
        docs: Sequence[int],
        centrality: Sequence[float],
        **row: Any,
    ) -> Self:
        """The cluster of a row."""
        return cls(
            features=tuple(DistinctiveFeature(**feature) for feature in features),
            central=tuple(CentralDocument(**document) for document in central),
            docs=tuple(docs),
            centrality=tuple(centrality),
            **row,
        )


class Clusters(AsksMore, Answer[Cluster]):
    """Clusters, largest first; `n_left_out` documents have none of the features compared.

    `chosen` are the features that stand for the phrase, where one was asked about.
    """

    called = "clusters"

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Cluster.of)
        said = metadata(table)
        self.n, self.n_left_out = int(said["n"]), int(said["n_left_out"])
        self.chosen = chosen(table)

    def to_plain(self, *, chosen: bool = False) -> dict[str, Any]:
        """See `Answer.to_plain`; with `chosen` also the features that stand for the phrase."""
        more = plain(standing(self.chosen)) if chosen else {}
        return {**super().to_plain(), **more}

    def _head(self) -> Mapping[str, Any]:
        return {"n": self.n, "n_left_out": self.n_left_out}

    @property
    def left_out(self) -> str:
        """In a line, how many documents are in no cluster, and why."""
        have = "document has" if self.n_left_out == 1 else "documents have"
        return f"{self.n_left_out:,} {have} none of the features"

    def map(self, points: MapPoints | None = None, *, most: int = MOST, seed: int = 0) -> Any:
        """An `altair.Chart` of the clusters on the map of the collection that `lake.project` made.

        A point is a document; those of no cluster are grey, and the legend says by which label a
        cluster is most distinct. Without `points` the collection that gave the clusters is asked
        for at most `most` points of its selection, drawn by `seed`; points of an answer of
        `Collection.map` are drawn from likewise. The title says of how many. Raises `NotFound`
        where there is no map; `InvalidInput` for points that are features, and where there are no
        points and nobody to ask: the answer of an awaited collection must be given them
        (`clusters.map(await reviews.map())`); and `MissingExtra` without Altair.
        """
        with extra("plots", "A plot"):
            from saelake.answers.plots.places import places
            from saelake.answers.plots.sampled import drawn
        found = self._points(most, seed) if points is None else points
        if found.about["of"] != "documents":
            raise InvalidInput("Clusters are of documents: give points of these, not of features.")
        chosen = drawn(len(found), most, seed, "points")
        colours = {doc: min(n, HUES) for n, c in enumerate(self) for doc in c.docs}
        cluster = {doc: c.cluster for c in self for doc in c.docs}
        rows = [
            _on_map(point, colours.get(point["row"], -1), cluster.get(point["row"]))
            for point in found.to_arrow().take(chosen.rows).to_pylist()
        ]
        return places(
            rows,
            self._names,
            are_shades=False,
            neither="in no cluster",
            title=f"{len(self):,} clusters of {self.n:,} documents",
            said=[*self._said(found, colours), *chosen.said, f"Map: {found.made}.", *found.notes],
            tips=ON_MAP,
            coloured_by="cluster, documents, most distinct",
        )

    def _points(self, most: int, seed: int) -> MapPoints:
        if self._ask is None:
            raise InvalidInput(
                "These clusters cannot ask for a map, as the answer of an awaited collection or a "
                "copy: give the points, as clusters.map(collection.map())."
            )
        found: MapPoints = self._ask(k=most, seed=seed)
        return found

    def _said(self, found: MapPoints, colours: Mapping[int, int]) -> list[str]:
        """How many documents are drawn, in a cluster and in none."""
        docs = found.to_arrow()["row"].to_pylist()
        inside = sum(doc in colours for doc in docs)
        said = [
            f"Of {len(docs):,} documents of the map {inside:,} are in a cluster, "
            f"{len(docs) - inside:,} in none."
        ]
        if len(docs) == found.n and inside < len(colours):
            said.append(f"Not on the map: {len(colours) - inside:,} documents of clusters.")
        return [*said, f"{self.left_out}."] if self.n_left_out else said

    @property
    def _names(self) -> list[str]:
        """What the legend calls each cluster, and those that share a colour."""
        names = [f"{c.cluster} · {c.n_documents:,} · {_most_distinct(c)}" for c in self[:HUES]]
        more = len(self) - HUES
        return [*names, f"{more:,} others"] if more > 0 else names

    def _view(self, rows: Sequence[Cluster]) -> View:
        return View(
            said=[self.left_out] if self.n_left_out else [],
            header=("cluster", "documents", "distinctive features", "most central"),
            rows=[
                (
                    c.cluster,
                    c.n_documents,
                    "; ".join(
                        labelled(f.label) or str(named(f.feature, f.pole)) for f in c.features
                    ),
                    one_line(c.central[0].text)[:TEXT_SHOWN],
                )
                for c in rows
            ],
        )


ON_MAP = {"name": "id", "cluster": "cluster", "text": "text"}


def _on_map(point: Mapping[str, Any], colour: int, cluster: int | None) -> dict[str, Any]:
    """A document as a chart has it; what hovering says is text of one line."""
    return {
        "x": point["x"],
        "y": point["y"],
        "colour": colour,
        "name": one_line(str(point["row"] if point["id"] is None else point["id"])),
        "cluster": "none" if cluster is None else str(cluster),
        "text": one_line(point["text"] or ""),
    }


def _most_distinct(cluster: Cluster) -> str:
    """The first words of what is most distinct of a cluster."""
    if not cluster.features:
        return ""
    first = cluster.features[0]
    words = labelled(first.label).removeprefix("fires on ").partition(";")[0]
    return words or str(named(first.feature, first.pole))
