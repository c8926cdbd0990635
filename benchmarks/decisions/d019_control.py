"""Whether p-values of `associate` and `correlate` mean what they say: docs/decisions/019.

Columns are made at random, by cluster or by length, so nothing goes with any but by these. Pairs of
features are of two documents of like length, so nothing goes together but by length.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from scipy import sparse

from benchmarks.common.report import Cell, Table, publish
from saelake.store.arrays.excess import excess
from saelake.store.arrays.ranks import RankUnits
from saelake.store.arrays.statistics import adjusted
from saelake.store.codes.embeddings import Block
from saelake.store.format.lists import Array
from saelake.store.lake.lake import Lake
from saelake.store.query.parts.association import Values, measured
from saelake.store.query.parts.controlled import Within, n_bins
from saelake.store.query.parts.lengths import NOT_ENCODED, lengths
from saelake.store.query.parts.strata import groups, strata
from saelake.store.requests.checks import Selection
from saelake.store.snapshot.session import Session

LEVEL, SHUFFLES = 0.05, 3
FEW, ENOUGH = 5, 20  # documents that a feature fires in: at least tested, and for approximations
EXPECTED = 5.0  # documents with both features of a pair


@dataclass(frozen=True, kw_only=True)
class Documents:
    """Values (n_documents, n_features), tokens, strata of length and clusters of documents."""

    values: sparse.csc_array
    n_tokens: Array
    stratum: Array
    cluster: Array | None

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.n_tokens)

    @property
    def fires(self) -> Array:
        """In how many each feature fires."""
        return np.diff(self.values.indptr)

    @property
    def by_feature(self) -> Values:
        """The values as an association takes them."""
        coo = self.values.tocoo()
        order = np.lexsort((coo.data, coo.col))
        return Values(
            feature=coo.col[order].astype(np.int64),
            row=coo.row[order].astype(np.int64),
            value=coo.data[order],
            n=self.n,
            n_features=self.values.shape[1],
        )


def main(
    lake: Annotated[str, typer.Argument(help="The lake.")],
    collections: Annotated[
        list[str],
        typer.Argument(help="corpus/dictionary, or corpus/dictionary:COLUMN of clusters."),
    ],
    splits: Annotated[int, typer.Option(help="How many random columns of each kind.")] = 20,
    features: Annotated[int, typer.Option(help="How many features, at random.")] = 1000,
) -> None:
    """Measure how often p < .05 and q < .05 where nothing is there."""
    rows: list[Mapping[str, Cell]] = []
    pairs: list[Mapping[str, Cell]] = []
    for named in collections:
        collection, _, column = named.partition(":")
        documents = read(lake, collection, column or None, features)
        rows += [
            {"collection": collection, "column": kind, **shares(documents, make, splits)}
            for kind, make in columns(documents).items()
        ]
        pairs += [{"collection": collection, **of_pairs(documents)}]
    note = (
        f"{splits} columns each, {features} features; p: share of features with p < .05 (of those "
        f"in {ENOUGH} documents or more), q: share with q < .05 (of all in {FEW} or more)"
    )
    noted = (
        f"{SHUFFLES} shuffles within lengths; of pairs that {EXPECTED:g} documents are expected in"
    )
    publish(
        "control",
        [
            Table(title="associate, where nothing is there", rows=rows, note=note),
            Table(title="correlate, where nothing but length is there", rows=pairs, note=noted),
        ],
        facts={},
    )


def read(lake: str, collection: str, column: str | None, features: int) -> Documents:
    """All encoded documents of a collection, with some of its features that fire in a few."""
    session = Session(Lake(lake))
    selected = session.select(Selection(collection=collection))
    block = Block.joined(list(session.embeddings.map(selected, _itself)))
    shape = len(block), selected.width
    values = sparse.csr_array((block.values, block.features.astype(np.int64), block.offsets), shape)
    able = np.flatnonzero(np.bincount(block.features, minlength=shape[1]) >= FEW)
    some = np.random.default_rng(0).permutation(able)[:features]
    kept = values.tocsc()[:, np.sort(some)]
    n_tokens = lengths(session, selected)[block.doc]
    assert (n_tokens != NOT_ENCODED).all()
    cluster = None if column is None else groups([selected], column).of[0][block.doc]
    stratum = strata(session, [selected], ["length()"], n_bins(len(block))).of[0][block.doc]
    return Documents(
        values=kept,
        n_tokens=n_tokens,
        stratum=stratum.astype(np.int64),
        cluster=None if cluster is None else np.unique(cluster, return_inverse=True)[1],
    )


def _itself(block: Block) -> Block:
    return block


Make = Callable[[np.random.Generator], tuple[Array, RankUnits, RankUnits]]


def columns(documents: Documents) -> Mapping[str, Make]:
    """Ways to make a column; the units of a plain test, and those of the right one."""
    n, cluster = documents.n, documents.cluster
    plain = RankUnits(stratum=np.zeros(n, np.int64))
    within = RankUnits(stratum=documents.stratum)
    order = np.lexsort((np.random.default_rng(0).random(n), documents.n_tokens))
    place = np.argsort(order) / n  # of equal lengths at random
    made: dict[str, Make] = {
        "halves": lambda r: (r.random(n) < 0.5, plain, plain),
        "a tenth": lambda r: (r.random(n) < 0.1, plain, plain),
        "numbers": lambda r: (r.random(n), plain, plain),
        "five classes": lambda r: (r.choice(list("abcde"), n), plain, plain),
        "halves, within lengths": lambda r: (r.random(n) < 0.5, plain, within),
        "more likely if longer": lambda r: (r.random(n) < place, plain, within),
        "longer than the median": lambda _: (place > 0.5, plain, within),
        "numbers that follow length": lambda r: (place + r.random(n), plain, within),
    }
    if cluster is not None:
        grouped = RankUnits(stratum=np.zeros(n, np.int64), cluster=cluster)
        both = RankUnits(stratum=documents.stratum, cluster=cluster)
        k = int(cluster.max()) + 1
        made |= {
            "halves of clusters": lambda r: ((r.random(k) < 0.5)[cluster], plain, grouped),
            "mostly of clusters": lambda r: (_mostly(r, k, cluster), plain, grouped),
            "numbers of clusters": lambda r: (r.random(k)[cluster], plain, grouped),
            "halves of clusters, within lengths": lambda r: (
                (r.random(k) < 0.5)[cluster],
                within,
                both,
            ),
        }
    return made


def _mostly(random: np.random.Generator, n_clusters: int, cluster: Array) -> Array:
    """A cluster's documents have its class, but for three in ten."""
    whole, alone = random.random(n_clusters) < 0.5, random.random(len(cluster)) < 0.5
    return np.where(random.random(len(cluster)) < 0.3, alone, whole[cluster])


def shares(documents: Documents, make: Make, splits: int) -> dict[str, Cell]:
    """How often a plain test and the right one say that there is something."""
    enough = documents.fires >= ENOUGH
    values = documents.by_feature
    found: dict[str, list[float]] = {}
    for seed in range(splits):
        column, *both = make(np.random.default_rng(seed))
        for name, units in zip(("plain", "right"), both, strict=True):
            p = measured(pa.table({"c": column}), units, 0.95)(values).p
            known = ~np.isnan(p)
            some = p[known & enough]
            found.setdefault(f"{name} p", []).append(float((some < LEVEL).mean()))
            q = adjusted(p[known])
            found.setdefault(f"{name} q", []).append(float((q < LEVEL).mean()))
    return {name: round(float(np.mean(each)), 4) for name, each in found.items()}


def of_pairs(documents: Documents) -> dict[str, Cell]:
    """Counts of pairs between documents that were exchanged within their strata."""
    x = (documents.values[:, documents.fires >= ENOUGH] > 0).toarray().astype(np.float32)
    stratum = documents.stratum
    shares_of: dict[str, list[float]] = {}
    for seed in range(SHUFFLES):
        random = np.random.default_rng(seed)
        other = np.lexsort((random.random(len(x)), stratum))
        mine = np.argsort(stratum, kind="stable")
        n_both = (x[mine].T @ x[other]).astype(np.int64)
        a, b = random.integers(0, x.shape[1], (2, 200_000))
        for name, by in (("plain", np.zeros(len(x), np.int64)), ("within lengths", stratum)):
            counted = _within(x, by)
            expected, variance, third = counted.moments(a, b)
            p = excess(n_both[a, b], expected, variance, third)[expected >= EXPECTED]
            shares_of.setdefault(f"{name} p", []).append(float((p < LEVEL).mean()))
            shares_of.setdefault(f"{name} q", []).append(float((adjusted(p) < LEVEL).mean()))
    return {name: round(float(np.mean(each)), 4) for name, each in shares_of.items()}


def _within(x: Array, stratum: Array) -> Within:
    sizes = np.bincount(stratum)
    inside = np.zeros((len(sizes), len(x)), np.float32)
    inside[stratum, np.arange(len(x))] = 1
    fires = np.rint(inside @ x).astype(np.uint32).T
    return Within(fires=fires, number=np.arange(x.shape[1]), sizes=sizes)
