"""The documents by which groups are named, and those that judge the names, drawn by chance.

They are told apart by the hash of `diff --confirm`, and listed by one pass over the SAE embeddings,
of which only the documents that are drawn, and counts of features, stay in memory.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from saelake.collection import Collection
from saelake.explaining.naming.groups import FiringBatch, NamedGroups
from saelake.explaining.naming.options import NamingOptions
from saelake.store.format.chances import hashed
from saelake.store.format.lists import Array


class SmallestKeys:
    """The documents with the `n` smallest keys of all that came, ties by document."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._keys, self._docs = np.empty(0), np.empty(0, np.uint64)

    def add(self, keys: Array, docs: Array) -> None:
        """Look at more documents."""
        keys, docs = np.concatenate([self._keys, keys]), np.concatenate([self._docs, docs])
        order = np.lexsort((docs, keys))[: self._n]
        self._keys, self._docs = keys[order], docs[order]

    @property
    def docs(self) -> list[int]:
        """Those documents, by their keys."""
        found: list[int] = self._docs.tolist()
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDocuments:
    """Documents of a group and others, to show and to judge, in an order by chance.

    `strongest` are those that are most of the group, and to be shown. `fires_in` and `fires_out`
    are in what share of the documents that may be shown each feature fires, in the group and in
    the others, float64 (n_columns,).
    """

    strongest: list[int]
    shown: list[int]
    others: list[int]
    judged: list[int]
    judged_others: list[int]
    fires_in: Array
    fires_out: Array


class GroupDrawing:
    """Draws documents of every group as batches of documents come."""

    def __init__(self, groups: NamedGroups, width: int, options: NamingOptions) -> None:
        self._groups, self._width, self._options = groups, width, options
        n, o = len(groups.numbers), options
        self._strongest = [SmallestKeys(o.n_shown) for _ in range(n)]
        self._drawn = {
            (group, side, held): SmallestKeys(o.n_judged if held else o.n_shown)
            for group in range(n)
            for side in (1, -1)
            for held in (False, True)
        }
        self._n = {side: np.zeros(n, np.int64) for side in (1, -1)}
        self._fires = {side: np.zeros((n, width), np.int64) for side in (1, -1)}

    def add(self, batch: FiringBatch) -> None:
        """Look at the documents of a batch."""
        side, strength = self._groups.sides(batch)
        is_held = hashed(batch.docs) < self._options.held_back
        shown = batch.of(~is_held)
        for group, number in enumerate(self._groups.numbers):
            order = hashed(batch.docs ^ np.uint64(zlib.crc32(self._seed(number)) << 32))
            for which in (1, -1):
                self._count(shown, group, which, (side[:, group] == which) & ~is_held)
                for held in (False, True):
                    kept = (side[:, group] == which) & (is_held == held)
                    self._drawn[group, which, held].add(order[kept], batch.docs[kept])
            kept = (side[:, group] == 1) & ~is_held
            self._strongest[group].add(-strength[kept, group], batch.docs[kept])

    def _seed(self, number: int) -> bytes:
        return f"{self._options.seed}:{self._groups.kind}:{number}".encode()

    def _count(self, batch: FiringBatch, group: int, side: int, kept: Array) -> None:
        self._n[side][group] += int(kept.sum())
        columns = batch.columns[kept[batch.rows]]
        self._fires[side][group] += np.bincount(columns, minlength=self._width)

    def documents(self) -> Iterator[GroupDocuments]:
        """What was drawn of each group."""
        for group, strongest in enumerate(self._strongest):
            fires_in, fires_out = (
                self._fires[side][group] / max(self._n[side][group], 1) for side in (1, -1)
            )
            yield GroupDocuments(
                strongest=strongest.docs,
                shown=self._drawn[group, 1, False].docs,
                others=self._drawn[group, -1, False].docs,
                judged=self._drawn[group, 1, True].docs,
                judged_others=self._drawn[group, -1, True].docs,
                fires_in=fires_in,
                fires_out=fires_out,
            )


def drawn_documents(
    collection: Collection, groups: NamedGroups, d_sae: int, options: NamingOptions
) -> tuple[GroupDocuments, ...]:
    """Documents of every group: always the same of one state, options and groups."""
    with collection.embeddings(pooling="binary") as reader:
        width = 2 * d_sae if "poles" in reader.schema.names else d_sae
        drawing = GroupDrawing(groups, width, options)
        for batch in reader:
            drawing.add(FiringBatch.read(batch, d_sae))
    return tuple(drawing.documents())
