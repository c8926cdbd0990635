"""Top 20 of expressions of features: pairs, wide alternatives, mixes, with and without a filter.

The collection is synthetic, of the statistics of a real one, or any other one; a sample of the
answers is compared with brute force. See README.md for what each row means.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.common.places import PROFILES
from benchmarks.common.profile import Profile, summary
from benchmarks.common.progress import said
from benchmarks.common.report import Cell, Table, publish
from benchmarks.common.synthetic import NAME, SHELVES, Synthesis
from benchmarks.query.exhaustive import strongest
from benchmarks.query.query import FACTS, MARGIN, STRATA, Course
from saelake.store.engine import Engine
from saelake.store.format.lists import Array
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.features import FeaturesQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.collection import Collection

SCOPES = ("token", "window:8", "document")
WIDE = 16
FILTER = f"shelf < {SHELVES // 100}"  # which keeps 1 % of a synthetic collection

Write = Callable[[np.random.Generator], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of expression: `write` gives one of random features."""

    name: str
    scope: str
    write: Write


def kinds(features: dict[str, Array], median: dict[int, float]) -> Iterator[Kind]:
    """Pairs of every popularity in every scope, then wider expressions."""
    for a, b in combinations_with_replacement(features, 2):
        for scope in SCOPES:
            yield Kind(name=f"{a} & {b}", scope=scope, write=_of("{} & {}", features, a, b))
    for stratum in ("middle", "popular"):
        wide = " | ".join(["{}"] * WIDE)
        each = [stratum] * WIDE
        yield Kind(name=f"any of {WIDE} {stratum}", scope="token", write=_of(wide, features, *each))
        mixed = _of("({} | {}) & !{}", features, stratum, stratum, "popular")
        yield Kind(name=f"({stratum} or {stratum}) & !popular", scope="token", write=mixed)
        both = _of("{} & {}", features, stratum, stratum)
        yield Kind(name=f"{stratum} > m & {stratum} > m", scope="token", write=_above(both, median))


def _of(form: str, features: dict[str, Array], *strata: str) -> Write:
    """Expressions of one feature of each of these strata."""
    return lambda random: form.format(*(random.choice(features[s]) for s in strata))


def _above(write: Write, median: dict[int, float]) -> Write:
    """The same, each feature by more than half of its largest value."""

    def written(random: np.random.Generator) -> str:
        terms = write(random).split(" & ")
        return " & ".join(f"{term} > {median[int(term)]:.3f}" for term in terms)

    return written


def strata(engine: Engine, name: str) -> tuple[dict[str, Array], dict[int, float]]:
    """The features of each stratum of popularity that fire, and half of each one's maximum."""
    query = FeaturesQuery(collection=name, k=None, order="documents")
    table = engine.ask(query).read_all()
    fires = np.asarray(table["feature"])[np.asarray(table["document_frequency"]) > 0][::-1]
    halves = np.asarray(table["max"]) / 2
    groups = {
        stratum: fires[int(low * len(fires)) : int(high * len(fires))]
        for stratum, (low, high) in STRATA.items()
    }
    return groups, dict(zip(table["feature"].to_pylist(), halves.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the values of its answer, read to the end, and what that took.

    `cpu_seconds` are of all threads: other processes on the machine prolong them less.
    """

    query: TokensQuery
    values: Array
    seconds: float
    cpu_seconds: float

    @classmethod
    def of(cls, engine: Engine, query: TokensQuery) -> "Asked":
        """The question, asked now."""
        begun, cpu = time.perf_counter(), time.process_time()
        answer = engine.ask(query).read_all()
        seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu
        return cls(query, np.asarray(answer["value"]), seconds, cpu_seconds)


def main(
    codes: Annotated[int, typer.Option(help="codes of the synthetic collection")] = 20_000_000,
    mean_length: Annotated[float, typer.Option(help="tokens a document on average")] = 50.0,
    questions: Annotated[int, typer.Option(min=1, help="of each kind")] = 20,
    checked: Annotated[int, typer.Option(help="of each kind, compared with brute force")] = 1,
    filtered: Annotated[bool, typer.Option(help="ask with a filter that keeps 1 %, too")] = True,
    seed: int = 0,
    folder: Annotated[
        Path | None, typer.Option(help="keep the lake here, and use it again")
    ] = None,
    lake: Annotated[
        str | None, typer.Option(help="ask this lake, and make none; it is only read")
    ] = None,
    collection: Annotated[str, typer.Option(help="of that lake")] = str(NAME),
) -> None:
    """Ask for the strongest documents of expressions of several features."""
    with ExitStack() as stack:
        if lake is None:
            folder = folder or Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="saelake-"))
            )
            lake = _made(folder, codes, mean_length, seed)
        engine, name = Engine(lake), CollectionName.parse(collection)
        snapshot = Collection(Lake(lake), name)
        filters = (None, FILTER) if filtered else (None,)
        table, answered = _table(engine, str(name), questions, checked, filters, seed)
        with said(f"comparing {len(answered)} answers with brute force"):
            _check(snapshot, answered)
        found = summary(snapshot)
        facts: dict[str, Cell] = {name: found[name] for name in FACTS}
        facts |= {"segments": len(snapshot.segments), "load": _load()}
        publish("expressions", [table], facts=facts)


def _load() -> str:
    """How many processes wanted a core in the last quarter of an hour, on average."""
    return f"{os.getloadavg()[2]:.1f} processes on {os.cpu_count()} cores"


def _made(folder: Path, codes: int, mean_length: float, seed: int) -> str:
    profile = PROFILES / "imdb-minilm.npz"
    like = Profile.load(profile)
    n_documents = int(MARGIN * codes / (mean_length * like.codes_per_token)) + 1
    course = Course(folder / f"{profile.stem}-{n_documents}-{mean_length:g}-{seed}", like, 1)
    course.make(Synthesis(like, n_documents, seed=seed, mean_length=mean_length))
    return course.lake.uri


def _table(
    engine: Engine, name: str, n: int, n_checked: int, filters: Sequence[str | None], seed: int
) -> tuple[Table, list[Asked]]:
    """The times of each kind, and some answers of each."""
    random = np.random.default_rng(seed)
    features, halves = strata(engine, name)
    rows: list[dict[str, Cell]] = []
    answered: list[Asked] = []
    for where in filters:
        for kind in kinds(features, halves):
            found = [
                Asked.of(
                    engine,
                    TokensQuery(
                        collection=name,
                        expression=kind.write(random),
                        scope=kind.scope,
                        where=where,
                    ),
                )
                for _ in range(n + 1)
            ][1:]  # the first is a warm-up
            answered += found[:n_checked]
            rows.append(_row(kind, where, found))
    return Table(title="Top 20 of an expression", rows=rows), answered


def _row(kind: Kind, where: str | None, found: Sequence[Asked]) -> dict[str, Cell]:
    p50, p99 = 1e3 * np.quantile([each.seconds for each in found], (0.5, 0.99))
    return {
        "": kind.name,
        "scope": kind.scope,
        "filter keeps": "1 %" if where else "all",
        "questions": len(found),
        "p50 ms": float(p50),
        "p99 ms": float(p99),
        "CPU p50 ms": float(1e3 * np.median([each.cpu_seconds for each in found])),
        "hits": float(np.mean([len(each.values) for each in found])),
    }


def _check(snapshot: Collection, answered: Sequence[Asked]) -> None:
    """Compare the values of answers with those that reading every code gives."""
    expected = strongest(snapshot, [each.query for each in answered])
    for each, best in zip(answered, expected, strict=True):
        assert np.array_equal(np.abs(each.values), best), (each, best)
