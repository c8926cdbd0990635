"""What is named: clusters of documents, and families of features by where they fire."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa

from saelake.answers.clusters import Clusters
from saelake.answers.families import Families
from saelake.store.format.lists import Array, Lists

Kind = Literal["cluster", "family"]
TOGETHER = 2  # features of a family that fire in a document which is counted to it


@dataclass(frozen=True, slots=True)
class FiringBatch:
    """Documents uint64 (n,), and which features fire in each.

    `rows` and `columns` int64 (n_fires,): the document's place, and the feature; of a signed
    dictionary its negative pole is `d_sae` further.
    """

    docs: Array
    rows: Array
    columns: Array

    @classmethod
    def read(cls, batch: pa.RecordBatch, d_sae: int) -> "FiringBatch":
        """The documents of a batch of `Collection.embeddings`."""
        lists = Lists.of(batch["features"])
        columns = np.asarray(lists.values).astype(np.int64)
        if "poles" in batch.schema.names:
            columns = columns + d_sae * (np.asarray(batch["poles"].flatten()) == "-")
        return cls(np.asarray(batch["doc"]), lists.rows, columns)

    def of(self, kept: Array) -> "FiringBatch":
        """What fires in some of the documents, bool (n,), whose places stay."""
        there = kept[self.rows]
        return FiringBatch(self.docs, self.rows[there], self.columns[there])


class NamedGroups(Protocol):
    """Groups, and which documents are in each.

    `sides` are of a batch, int8 (n, n_groups): 1 for a document of the group, -1 for one that is
    to be told from it, and 0 for neither; and how strongly it is in it, float64 (n, n_groups).
    `own` are the columns of the features that are known to be each group's; None where they are to
    be found.
    """

    kind: Kind
    sizes: tuple[int, ...]
    numbers: tuple[int, ...]
    state: str | None
    own: Sequence[list[int]] | None

    def sides(self, batch: FiringBatch) -> tuple[Array, Array]:
        """Which documents of a batch are in which group."""


class ClusterGroups:
    """Clusters: a document is of one, and to be told from those of the others."""

    kind: Kind = "cluster"

    def __init__(self, clusters: Clusters) -> None:
        self.numbers = tuple(cluster.cluster for cluster in clusters)
        self.sizes = tuple(cluster.n_documents for cluster in clusters)
        self.state = clusters.state
        self.own: Sequence[list[int]] | None = None
        docs = [np.array(cluster.docs, np.uint64) for cluster in clusters]
        centrality = [np.array(cluster.centrality, np.float64) for cluster in clusters]
        groups = [np.full(len(of), group) for group, of in enumerate(docs)]
        every = np.concatenate([*docs, np.empty(0, np.uint64)])
        order = np.argsort(every)
        self._docs = every[order]
        self._group = np.concatenate([*groups, np.empty(0, np.int64)])[order]
        self._centrality = np.concatenate([*centrality, np.empty(0)])[order]

    def sides(self, batch: FiringBatch) -> tuple[Array, Array]:
        """1 in a document's own cluster and -1 in the others; how central it is there."""
        n, n_groups = len(batch.docs), len(self.numbers)
        side, strength = np.zeros((n, n_groups), np.int8), np.zeros((n, n_groups))
        at = np.searchsorted(self._docs, batch.docs)
        known = at < len(self._docs)
        known[known] = self._docs[at[known]] == batch.docs[known]
        rows, found = np.flatnonzero(known), at[known]
        side[rows] = -1
        side[rows, self._group[found]] = 1
        strength[rows, self._group[found]] = self._centrality[found]
        return side, strength


class FamilyGroups:
    """Families: of them are the documents in which two of the features fire.

    To be told from these are the documents in which none of them does.
    """

    kind: Kind = "family"

    def __init__(self, families: Families, d_sae: int) -> None:
        self.numbers = tuple(family.family for family in families)
        self.sizes = tuple(family.n_features for family in families)
        self.state = families.state
        self._columns = [_columns(family, d_sae) for family in families]
        self.own: Sequence[list[int]] | None = self._columns

    def sides(self, batch: FiringBatch) -> tuple[Array, Array]:
        """1 where at least two fire and -1 where none does; how many do."""
        fires = np.stack(list(self._fires(batch)), axis=1)
        side = np.where(fires >= TOGETHER, 1, np.where(fires == 0, -1, 0)).astype(np.int8)
        return side, fires.astype(np.float64)

    def _fires(self, batch: FiringBatch) -> Iterator[Array]:
        for columns in self._columns:
            fires = np.isin(batch.columns, columns)
            yield np.bincount(batch.rows[fires], minlength=len(batch.docs))


def _columns(family: Any, d_sae: int) -> list[int]:
    signs = family.poles or ("+",) * len(family.features)
    return [f + d_sae * (s == "-") for f, s in zip(family.features, signs, strict=True)]


def groups_of(found: Clusters | Families, d_sae: int) -> NamedGroups:
    """What is named of an answer."""
    if isinstance(found, Families):
        return FamilyGroups(found, d_sae)
    return ClusterGroups(found)
