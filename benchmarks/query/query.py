"""Top 20 of a feature, with the text around each token and the metadata, by everyone who can.

The collection is synthetic, of the statistics of a real one; every answer is checked against the
others'. See README.md for what each row means.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.common.needs import require, require_in
from benchmarks.common.places import PROFILES
from benchmarks.common.profile import Profile, comparison, summary
from benchmarks.common.progress import console, said
from benchmarks.common.report import Cell, Table, publish
from benchmarks.common.synthetic import METADATA, NAME, SHELVES, Synthesis, synthesise
from benchmarks.query.contenders import EMBEDDED, Contender, Saelake
from benchmarks.query.delphi_cache import DelphiCache, write_cache
from benchmarks.query.duckdb_tables import TUNED, USUAL, DuckDB, write_parquet
from benchmarks.query.opening import Opening, openings
from benchmarks.query.race import Question, Times, race
from benchmarks.query.server import running
from saelake.store.engine import Engine
from saelake.store.lake.lake import Lake
from saelake.store.requests.features import FeaturesQuery
from saelake.store.snapshot.collection import Collection

STRATA = {"rare": (0.0, 0.1), "middle": (0.1, 0.9), "popular": (0.9, 1.0)}  # by documents
PAUSE_S = 0.02
OPENINGS = 5
MARGIN = 1.02  # documents are drawn, so their codes vary a little around what was asked for
FACTS = ("documents", "tokens", "codes", "postings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """A metadata filter for each question that keeps `share` of the documents.

    It is the same for all questions, or `fresh`: one that was not asked before.
    """

    name: str
    share: float
    fresh: bool = False

    def where(self, number: int) -> str:
        """The filter of the question of that number."""
        width = round(self.share * SHELVES)
        first = number % (SHELVES - width) if self.fresh else 0
        return f"shelf >= {first} AND shelf < {first + width}"


FILTERS = (
    Filters(name="50 %", share=0.5),
    Filters(name="10 %", share=0.1),
    Filters(name="1 %", share=0.01),
    Filters(name="0.1 %", share=0.001),
    Filters(name="1 %, new each time", share=0.01, fresh=True),
)


class Course:
    """A synthetic collection in a folder, and what the contenders need of it, made when missing."""

    def __init__(self, folder: Path, profile: Profile, threads: int) -> None:
        self._folder = folder
        self._profile = profile
        self._threads = threads
        self.lake = Lake(str(folder / "lake"))

    @property
    def collection(self) -> Collection:
        """A snapshot of the collection."""
        return Collection(self.lake, NAME)

    def make(self, synthesis: Synthesis) -> None:
        """Make the collection."""
        if not Path(self.lake.uri).exists():
            with said(f"making {synthesis.n_documents:,} documents with their codes and index"):
                synthesise(self.lake, synthesis)

    def embedded(self) -> Saelake:
        """saelake in this process."""
        return Saelake.embedded(self.lake.uri, str(NAME))

    def contenders(self, server: str) -> list[Contender]:
        """Those who give the very same answers; `server` is the target of one of this lake."""
        folders = {layout: self._folder / layout.name for layout in (USUAL, TUNED)}
        for layout, folder in folders.items():
            if not folder.exists():
                with said(f"writing {layout.name}"):
                    write_parquet(self.collection, folder, layout, threads=self._threads)
        names, threads = METADATA.names, self._threads
        return [
            self.embedded(),
            Saelake.served(server, str(NAME)),
            *(DuckDB.on_parquet(f, o, names, threads=threads) for o, f in folders.items()),
            DuckDB.on_tables(folders[TUNED], names, threads=threads),
        ]

    def delphi(self, python: Path, k: int) -> DelphiCache:
        """delphi, in the environment of `python`."""
        cache = self._folder / "delphi"
        if not cache.exists():
            with said("writing a cache for delphi"):
                write_cache(self.collection, list(self._profile.words), cache)
        return DelphiCache(python, cache, k, threads=self._threads)


def questions(engine: Engine, n: int, random: np.random.Generator) -> list[Question]:
    """`n` features of each stratum of popularity, among those that fire, in random order."""
    query = FeaturesQuery(collection=str(NAME), k=None, order="documents")
    table = engine.ask(query).read_all()
    fires = np.asarray(table["feature"])[np.asarray(table["document_frequency"]) > 0][::-1]
    asked = [
        Question(stratum=name, feature=feature)
        for name, (low, high) in STRATA.items()
        for feature in random.permutation(fires[int(low * len(fires)) : int(high * len(fires))])[
            :n
        ].tolist()
    ]
    return [asked[i] for i in random.permutation(len(asked))]


def popularity_table(times: Times, contenders: Sequence[Contender]) -> Table:
    """All features, then each stratum."""
    groups = {"all": list(STRATA)} | {name: [name] for name in STRATA}
    rows = [
        {"": c.name, "features": name, **times.row(c.name, members, EMBEDDED)}
        for name, members in groups.items()
        for c in contenders
    ]
    return Table(title="Top 20 of a feature", rows=rows)


def rest_table(times: Times, contenders: Sequence[Contender]) -> Table:
    """Questions that come after a pause, as those of a person do."""
    rows = [{"": c.name, **times.row(c.name, list(STRATA), EMBEDDED)} for c in contenders]
    return Table(title=f"The same, {1e3 * PAUSE_S:g} ms of rest before each question", rows=rows)


def filter_table(contenders: Sequence[Contender], asked: Sequence[Question]) -> Table:
    """The same questions under filters that keep ever fewer documents."""
    rows: list[dict[str, Cell]] = []
    for filters in FILTERS:
        name = filters.name
        filtered = [
            Question(stratum=name, feature=question.feature, where=filters.where(number))
            for number, question in enumerate(asked)
        ]
        times = race(contenders, filtered)
        rows += [
            {"": c.name, "filter keeps": name, **times.row(c.name, [name], EMBEDDED)}
            for c in contenders
        ]
    return Table(title="Top 20 of a feature, with a metadata filter", rows=rows)


def delphi_times(delphi: DelphiCache, embedded: Saelake, asked: Sequence[Question]) -> Times:
    """delphi and saelake in turns, question by question; the strongest value must be the same."""
    times = Times()
    delphi.strongest(asked[0].feature)  # a warm-up
    for question in asked:
        begun = time.perf_counter()
        values = delphi.strongest(question.feature)
        between = time.perf_counter()
        answer = embedded.top(question.feature, question.k, question.context, None)
        times.seconds[EMBEDDED, "all"].append(time.perf_counter() - between)
        times.seconds[delphi.name, "all"].append(between - begun)
        assert np.float16(answer["value"][0].as_py()) == np.float16(values[0]), question
    return times


def delphi_table(times: Times) -> Table:
    """delphi beside saelake."""
    names = (EMBEDDED, DelphiCache.name)
    rows = [{"": name, **times.row(name, ["all"], EMBEDDED)} for name in names]
    return Table(title="Top 20 of a feature, from delphi's cache", rows=rows)


def opening_table(found: dict[str, list[Opening]]) -> Table:
    """A new process: Python's start, imports, connection, first answer."""
    rows: list[dict[str, Cell]] = [
        {
            "": name,
            "seconds, p50": float(np.median([opening.seconds for opening in each])),
            "seconds, max": max(opening.seconds for opening in each),
            "peak MiB": max(opening.peak_bytes for opening in each) / 2**20,
        }
        for name, each in found.items()
    ]
    return Table(title="saelake in a new process, to its first answer", rows=rows)


def main(
    codes: Annotated[int, typer.Option(help="codes of the synthetic collection")] = 100_000_000,
    mean_length: Annotated[
        float | None, typer.Option(help="tokens a document on average (default: the profile's)")
    ] = None,
    features: Annotated[int, typer.Option(min=10, help="features in each of 3 strata")] = 100,
    filtered: Annotated[int, typer.Option(min=20, help="questions for each filter")] = 60,
    scans: Annotated[int, typer.Option(help="questions to delphi")] = 10,
    threads: Annotated[int, typer.Option(help="threads of DuckDB and delphi")] = min(
        os.cpu_count() or 1, 8
    ),
    seed: int = 0,
    profile: Annotated[Path, typer.Option(help="what the codes are like")] = PROFILES
    / "imdb-minilm.npz",
    peers_python: Annotated[
        Path | None, typer.Option(help="a Python with eai-delphi; without it, delphi is left out")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="keep the lake and the copies here, and use them again")
    ] = None,
) -> None:
    """Ask saelake, DuckDB and delphi for the strongest documents of features."""
    require("duckdb")
    if peers_python:
        require_in(peers_python, "delphi")
    like = Profile.load(profile)
    length = mean_length or float(like.lengths.mean())
    n_documents = int(MARGIN * codes / (length * like.codes_per_token)) + 1
    synthesis = Synthesis(like, n_documents, seed=seed, mean_length=mean_length)
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="saelake-")))
        course = Course(folder / f"{profile.stem}-{n_documents}-{seed}", like, threads)
        course.make(synthesis)
        found = summary(course.collection)
        comparison("The codes", {"real": like.source, "synthetic": found}).print(console)

        asked = questions(Engine(course.lake.uri), features, np.random.default_rng(seed))
        contenders = course.contenders(stack.enter_context(running(course.lake.uri)))
        tables = [popularity_table(race(contenders, asked), contenders)]
        rested = race(contenders, asked[:filtered], pause_s=PAUSE_S)
        tables.append(rest_table(rested, contenders))
        tables.append(filter_table(contenders, asked[:filtered]))
        if peers_python:
            delphi = stack.enter_context(closing(course.delphi(peers_python, asked[0].k)))
            tables.append(delphi_table(delphi_times(delphi, course.embedded(), asked[:scans])))
        path, feature = Path(course.lake.uri), asked[0].feature
        tables.append(
            opening_table(
                {
                    name: list(openings(path, str(NAME), feature, OPENINGS, evict=evict))
                    for name, evict in (("files in memory", False), ("files on disk", True))
                }
            )
        )
        publish("query", tables, facts={name: found[name] for name in FACTS})
