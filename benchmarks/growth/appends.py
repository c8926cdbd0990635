"""The course of many appends: segments, questions, and what is written, from portion to portion."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from benchmarks.common.measure import Stretch
from benchmarks.common.places import PROFILES
from benchmarks.common.profile import Profile
from benchmarks.common.progress import say
from benchmarks.common.report import Cell, Table, publish, shown
from benchmarks.common.synthetic import BLOCK, NAME, Synthesis, shards
from benchmarks.growth.questions import question_ms
from saelake.store.documents.documents import import_documents
from saelake.store.growth.clean_up import clean_up
from saelake.store.growth.index import index
from saelake.store.lake.lake import Lake
from saelake.store.tables.tables import Table as StoredTable

FIRST = (1, 10)  # appends with a row, beside every so many
CLEANED = 10  # appends after which files of the past are deleted
MIB = 1 << 20
NOTE = (
    "Each append is indexed by itself. `s each` is of the indexing alone, the mean and the longest "
    "since the row before; `cpu s` the mean, of all threads. `written` is what was ever written of "
    "postings, by what they take now. `a new byte`: all that was written of codes, postings and "
    "statistics since the row before, by the codes among it, which are what is new. `stats MB` is "
    "what the last append wrote of the features table. `peak MiB`: the largest resident memory of "
    "this process while it indexed and asked, since the row before."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Appends:
    """`n` portions of `each` documents, in whole blocks, and a row after every `every` of them."""

    n: int
    each: int
    every: int = 50
    mean_length: float = 60
    seed: int = 0

    @property
    def blocks(self) -> int:
        """Of a portion."""
        return -(-self.each // BLOCK)

    @property
    def title(self) -> str:
        """What is appended."""
        return (
            f"{self.n} appends of {self.blocks * BLOCK:,} documents of {self.mean_length:g} tokens"
        )

    def synthesis(self) -> Synthesis:
        """All portions."""
        return Synthesis(
            Profile.load(PROFILES / "imdb-minilm.npz"),
            self.n * self.blocks * BLOCK,
            seed=self.seed,
            mean_length=self.mean_length,
        )

    def shown(self, number: int) -> bool:
        """Whether there is a row after the append of that number."""
        return number in (*FIRST, self.n) or number % self.every == 0


def run_appends(appends: Appends) -> None:
    """Append to an empty collection, and publish the rows that there are when it ends."""
    rows: list[dict[str, Cell]] = []
    synthesis = appends.synthesis()
    with tempfile.TemporaryDirectory(prefix="saelake-appends-") as folder:
        try:
            for row in rows_of(Lake(folder), appends, synthesis):
                rows.append(row)
                say(", ".join(f"{column} {shown(cell)}" for column, cell in row.items()))
        finally:  # an interrupted run has what it has
            if rows:
                facts = {"features": synthesis.profile.d_sae, "seed": appends.seed}
                publish("growth", [table(appends, rows)], facts=facts)


def table(appends: Appends, rows: Sequence[Mapping[str, Cell]]) -> Table:
    """The rows under their title."""
    return Table(title=appends.title, rows=rows, note=NOTE)


def rows_of(lake: Lake, appends: Appends, synthesis: Synthesis) -> Iterator[dict[str, Cell]]:
    """The rows, each as soon as its append is measured."""
    import_documents(lake, NAME.corpus, synthesis)
    portions = shards(lake, synthesis, appends.blocks)
    files = _Written(lake)
    took: list[Mapping[str, float]] = []
    for number in range(1, appends.n + 1):
        next(portions)
        files.look()
        stretch = Stretch()
        index(lake, NAME)
        took.append(stretch.stop())
        files.look()
        if number % CLEANED == 0:
            clean_up(lake, older_than=timedelta(0), unverified=True)
            files.look()  # what cleaning up writes, if it does
        if appends.shown(number):
            stretch = Stretch()
            p50, p99 = question_ms(lake)
            peak = max(each["peak_bytes"] for each in (*took, stretch.stop()))
            postings = StoredTable.open(lake.postings(NAME))
            yield {
                "appends": f"{number:,}",
                "segments": len(postings.fragments),
                "p50 ms": p50,
                "p99 ms": p99,
                "s each": sum(each["seconds"] for each in took) / len(took),
                "longest": max(each["seconds"] for each in took),
                "cpu s": sum(each["cpu_seconds"] for each in took) / len(took),
                "postings MB": postings.size_bytes / 1e6,
                "written": files.postings.written / postings.size_bytes,
                "a new byte": files.a_new_byte(),
                "stats MB": files.statistics.last / 1e6,
                "peak MiB": peak / MIB,
            }
            took.clear()


class _Written:
    """What is written of codes, postings and statistics."""

    def __init__(self, lake: Lake) -> None:
        self.codes, self.postings, self.statistics = (
            _Files(Path(uri))
            for uri in (lake.codes(NAME), lake.postings(NAME), lake.features(NAME))
        )
        self._before = (0, 0)

    def look(self) -> None:
        """Count files that are new; all that ever are must be there once when this looks."""
        for files in (self.codes, self.postings, self.statistics):
            files.look()

    def a_new_byte(self) -> float:
        """The bytes written by the bytes of new codes, since this was last asked."""
        codes = self.codes.written
        written = codes + self.postings.written + self.statistics.written
        new, of_them = codes - self._before[0], written - self._before[1]
        self._before = codes, written
        return of_them / new


@dataclass(slots=True)
class _Files:
    """The data files of a table, and the bytes of all that there ever were."""

    table: Path
    written: int = 0
    last: int = 0  # of the files that were new when there last were any
    _known: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Count files that are new."""
        folder = self.table / "data"
        there = folder.iterdir() if folder.exists() else ()
        sizes = {file.name: file.stat().st_size for file in there}
        new = sum(size for name, size in sizes.items() if name not in self._known)
        self._known |= sizes.keys()
        self.written += new
        self.last = new or self.last
