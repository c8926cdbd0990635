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
from saelake.answers.found import TEXT_SHOWN, chosen
from saelake.answers.plain import plain, standing
from saelake.answers.text import labelled, named, one_line
from saelake.answers.view import View


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


class Clusters(Answer[Cluster]):
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
