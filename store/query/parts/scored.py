"""Scores of two sides over a corpus, in passes that hold so many strata or clusters as fit.

Nothing is dense in documents and features: a pass holds the counts of as many strata or clusters as
fit into `TILE_BYTES`, and reads the documents of these.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from saelake.store.codes.embeddings import Block
from saelake.store.format.lists import Array
from saelake.store.query.parts.firing import firing
from saelake.store.query.parts.layout import A, B, Layout, Members
from saelake.store.query.parts.rare import Rare
from saelake.store.query.parts.scores import N_SUMS, ScoreTotals, Units
from saelake.store.requests.diff import Unit
from saelake.store.snapshot.session import Session

TILE_BYTES = 256 << 20
N_SIDES = 3
DENSE = 8  # a block's sums are made densely where there are at most so many keys for a value


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What was summed of two sides: totals, and the fires of features that are rare."""

    totals: ScoreTotals
    rare: Rare
    units: Units
    n_a: float
    n_b: float


def scored(
    session: Session, layout: Layout, unit: Unit, threshold: float, *, by_stratum: bool
) -> Scored:
    """The sums over all units of a layout.

    `n_a` and `n_b` are how many units each side would have if they were all in one stratum.
    """
    d_sae = layout.members[0].selected.width
    units, numbers = _units(layout)
    totals = ScoreTotals(d_sae=d_sae, by_stratum=by_stratum)
    totals.know(units.constants)
    rare = Rare(d_sae)
    run = _Scoring(session, layout, unit, threshold, units, numbers, totals, rare, d_sae)
    if not layout.in_strata:
        _clusters(run)
    elif unit == "document":
        _documents(run)
    else:
        _tokens(run)
    c = units.constants
    weight = (np.ones_like(c.weight) if by_stratum else c.weight)[c.compared]
    n_a, n_b = (
        float(weight.sum() ** 2 / max(np.sum(weight**2 / t[c.compared]), 1e-300))
        for t in (c.t_a, c.t_b)
    )
    return Scored(totals=totals, rare=rare, units=units, n_a=n_a, n_b=n_b)


@dataclass(frozen=True, slots=True)
class _Scoring:
    """What the ways to sum need."""

    session: Session
    layout: Layout
    unit: Unit
    threshold: float
    units: Units
    numbers: tuple[Array, ...]
    totals: ScoreTotals
    rare: Rare
    d_sae: int

    def tiles(self) -> Iterator[tuple[range, Array]]:
        """Some groups at a time: the values of each by side and feature, (n_groups, 3, d_sae)."""
        step = max(TILE_BYTES // (4 * N_SIDES * self.d_sae), 1)
        for begin in range(0, self.layout.n_groups, step):
            groups = range(begin, min(begin + step, self.layout.n_groups))
            tile = np.zeros(len(groups) * N_SIDES * self.d_sae, np.float32)
            for members in self.layout.members:
                kept = _within(members, groups)
                if kept is None:
                    continue
                work = _BySide(kept.side, kept.group, groups.start, self.d_sae, len(tile))
                for key, value in firing(
                    self.session, kept.selected, self.unit, self.threshold, work
                ):
                    tile[key] += value
            yield groups, tile.reshape(len(groups), N_SIDES, self.d_sae)


def _within(members: Members, groups: range) -> Members | None:
    """Only the documents of these groups; None when there are none."""
    kept = (members.side > 0) & (members.group >= groups.start) & (members.group < groups.stop)
    if not kept.any():
        return None
    side = np.where(kept, members.side, np.uint8(0))
    return replace(members, side=side, selected=replace(members.selected, mask=kept))


def _units(layout: Layout) -> tuple[Units, tuple[Array, ...]]:
    """The units: documents, or clusters; and the unit of each document, by number, -1 for none."""
    if not layout.in_strata:
        sizes = [layout.sums(bit).astype(np.float64) for bit in (A, B)]
        units = Units.of(np.zeros(layout.n_groups, np.int64), sizes[0], sizes[1], 1)
        return units, tuple(m.group for m in layout.members)
    kept = [np.flatnonzero(m.side) for m in layout.members]
    pairs = list(zip(layout.members, kept, strict=True))
    stratum = np.concatenate([m.group[docs] for m, docs in pairs]).astype(np.int64)
    size = np.concatenate([m.size[docs] for m, docs in pairs]).astype(np.float64)
    side = np.concatenate([m.side[docs] for m, docs in pairs])
    n_a, n_b = (np.where(side & bit, size, 0.0) for bit in (A, B))
    first = np.cumsum([0, *(len(docs) for docs in kept)])
    numbers = []
    for (members, docs), begin in zip(pairs, first, strict=False):
        number = np.full(len(members.side), -1, np.int64)
        number[docs] = np.arange(begin, begin + len(docs))
        numbers.append(number)
    return Units.of(stratum, n_a, n_b, layout.n_groups), tuple(numbers)


@dataclass(frozen=True, slots=True)
class _BySide:
    """Sums the values of a block by group, side and feature."""

    side: Array
    group: Array
    first: int
    d_sae: int
    n_keys: int

    def __call__(self, block: Block) -> tuple[Array, Array]:
        """The keys (group, side, feature) that have something, and their sums."""
        group = self.group[block.doc].astype(np.int64) - self.first
        row = group * N_SIDES + self.side[block.doc] - 1
        key = row[block.rows] * self.d_sae + block.features
        return _reduced(key, block.values[None].astype(np.float64), self.n_keys, drop=True)


def _reduced(key: Array, values: Array, n_keys: int, *, drop: bool) -> tuple[Array, Array]:
    """Each key once, and the sum of its values (n, n_values)."""
    if n_keys <= DENSE * len(key):
        sums = np.stack([np.bincount(key, v, n_keys) for v in values])
        found = np.flatnonzero(sums[-1])
        sums = sums[:, found]
    else:
        found, number = np.unique(key, return_inverse=True)
        sums = np.stack([np.bincount(number, v, len(found)) for v in values])
    return found, sums[0] if drop else sums


# -- Documents in strata: of a stratum and a side all that fire are alike, so they are only counted.


def _documents(run: _Scoring) -> None:
    constants = run.units.constants
    example = np.full((run.layout.n_groups, N_SIDES), -1, np.int64)
    side = (run.units.n_a > 0) * A + (run.units.n_b > 0) * B
    example[run.units.stratum, side - 1] = np.arange(len(side))
    for groups, tile in run.tiles():
        run.rare.forget(tile.sum(axis=(0, 1)))
        for h, counts in zip(groups, tile, strict=True):
            features = np.flatnonzero(counts.any(axis=0))
            if not constants.compared[h] or not len(features):
                continue
            found, sums = counts[:, features].astype(np.float64), np.zeros((N_SUMS, len(features)))
            for s in np.flatnonzero(found.any(axis=1)):
                one = example[h, s : s + 1]
                own = [np.ones(1) if (s + 1) & bit else np.zeros(1) for bit in (A, B)]
                sums += run.units.sums(one, *own) * found[s]
            run.totals.add(constants, h, features, sums)
            run.rare.add_counts(features, found[:2].sum(axis=0), found[2] > 0, h)
        run.rare.keep()


# -- Clusters: what fires in the documents of one is added up before it is squared.


def _clusters(run: _Scoring) -> None:
    whole = np.zeros((N_SUMS, run.d_sae))
    for groups, tile in run.tiles():
        run.rare.forget(np.count_nonzero(tile.any(axis=1), axis=0))
        for cluster, values in zip(groups, tile, strict=True):
            features = np.flatnonzero(values.any(axis=0))
            only_a, only_b, both = values[:, features].astype(np.float64)
            x_a, x_b = only_a + both, only_b + both
            unit = np.full(len(features), cluster)
            whole[:, features] += run.units.sums(unit, x_a, x_b)
            run.rare.add_units(features, unit, x_a, x_b)
        run.rare.keep()
    if run.units.constants.compared[0]:
        run.totals.add(run.units.constants, 0, np.arange(run.d_sae), whole)


# -- Tokens: units are documents, of any size.


@dataclass(frozen=True, slots=True)
class _TokenSums:
    """Sums over the units of a block, by stratum and feature."""

    side: Array
    number: Array
    units: Units
    first: int
    n_keys: int
    d_sae: int

    def __call__(self, block: Block) -> tuple[Array, Array, tuple[Array, ...]]:
        """Keys (stratum, feature) and their sums (N_SUMS, n); all of what fires seldom."""
        unit, row = self.number[block.doc], block.rows
        side = self.side[block.doc][row]
        x = block.values.astype(np.float64)
        x_a, x_b = (np.where(side & bit, x, 0.0) for bit in (A, B))
        unit = unit[row]
        key = (self.units.stratum[unit] - self.first) * self.d_sae + block.features
        seldom = Rare.seldom(block.features, self.d_sae)
        rare = block.features[seldom], unit[seldom], x_a[seldom], x_b[seldom]
        sums = self.units.sums(unit, x_a, x_b)
        return *_reduced(key, sums, self.n_keys, drop=False), rare


def _tokens(run: _Scoring) -> None:
    step = max(TILE_BYTES // (8 * N_SUMS * run.d_sae), 1)
    constants = run.units.constants
    for begin in range(0, run.layout.n_groups, step):
        groups = range(begin, min(begin + step, run.layout.n_groups))
        tile = np.zeros((N_SUMS, len(groups) * run.d_sae))
        for members, number in zip(run.layout.members, run.numbers, strict=True):
            kept = _within(members, groups)
            if kept is None:
                continue
            work = _TokenSums(kept.side, number, run.units, begin, tile.shape[1], run.d_sae)
            for key, sums, rare in firing(
                run.session, kept.selected, run.unit, run.threshold, work
            ):
                tile[:, key] += sums
                run.rare.add_units(*rare)
                run.rare.keep()
        for h in groups:
            sums = tile[:, (h - begin) * run.d_sae : (h - begin + 1) * run.d_sae]
            features = np.flatnonzero(sums[-1])
            if constants.compared[h] and len(features):
                run.totals.add(constants, h, features, sums[:, features])
