"""The course of many appends: segments, questions, and what is written, from portion to portion."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from benchmarks.common.measure import elapsed_s
from benchmarks.common.places import PROFILES
from benchmarks.common.profile import Profile
from benchmarks.common.report import Cell, Table, publish
from benchmarks.common.synthetic import BLOCK, NAME, Synthesis, shards
from benchmarks.growth.questions import question_ms
from saelake.store.documents.documents import import_documents
from saelake.store.growth.clean_up import clean_up
from saelake.store.growth.index import index
from saelake.store.lake.lake import Lake
from saelake.store.tables.tables import Table as StoredTable

SHOWN = (1, 10, 50, 100, 250, 500, 1000)
CLEANED = 10  # appends after which files of the past are deleted
NOTE = (
    "Each append is indexed by itself. `s an append` is of the indexing alone, the mean and the "
    "longest since the row before. `written` is what indexing wrote of postings so far, by what "
    "they take now; `statistics` is what it wrote of the features table in the last append."
)


def run_appends(n: int, each: int, mean_length: float, seed: int) -> None:
    """Append `n` portions to an empty collection, and publish a row at some of them."""
    blocks = -(-each // BLOCK)
    synthesis = Synthesis(
        Profile.load(PROFILES / "imdb-minilm.npz"),
        n * blocks * BLOCK,
        seed=seed,
        mean_length=mean_length,
    )
    with tempfile.TemporaryDirectory(prefix="saelake-appends-") as folder:
        lake = Lake(folder)
        import_documents(lake, NAME.corpus, synthesis)
        rows = list(_rows(lake, shards(lake, synthesis, blocks), n))
    title = f"{n} appends of {blocks * BLOCK:,} documents of {mean_length:g} tokens"
    facts = {"features": synthesis.profile.d_sae, "seed": seed}
    publish("growth", [Table(title=title, rows=rows, note=NOTE)], facts=facts)


def _rows(lake: Lake, portions: Iterator[int], n: int) -> Iterator[dict[str, Cell]]:
    """A row after each append of `SHOWN`, and after the last."""
    postings, features = (_Files(Path(uri)) for uri in (lake.postings(NAME), lake.features(NAME)))
    seconds: list[float] = []
    for number in range(1, n + 1):
        n_documents = next(portions)
        seconds.append(elapsed_s(lambda: index(lake, NAME)))
        postings.look()
        n_statistics = features.look()
        if number % CLEANED == 0:
            clean_up(lake, older_than=timedelta(0), unverified=True)
        if number in (*SHOWN, n):
            p50, p99 = question_ms(lake)
            table = StoredTable.open(lake.postings(NAME))
            yield {
                "appends": f"{number:,}",
                "documents": n_documents,
                "segments": len(table.fragments),
                "p50 ms": p50,
                "p99 ms": p99,
                "s an append": sum(seconds) / len(seconds),
                "longest": max(seconds),
                "postings MB": table.size_bytes / 1e6,
                "written": postings.written / table.size_bytes,
                "statistics MB": n_statistics / 1e6,
            }
            seconds.clear()


@dataclass(slots=True)
class _Files:
    """The data files of a table, and the bytes of all that there ever were."""

    table: Path
    written: int = 0
    _known: set[str] = field(default_factory=set)

    def look(self) -> int:
        """Count files that are new; their bytes."""
        sizes = {file.name: file.stat().st_size for file in (self.table / "data").iterdir()}
        new = sum(size for name, size in sizes.items() if name not in self._known)
        self._known |= sizes.keys()
        self.written += new
        return new
