"""Lakes of a size, and copies of them for others, each made by a process of its own.

`python -m benchmarks.query.sizes STEP OUT …` makes one of them: see `STEPS`.
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from benchmarks.common.measure import Stretch, fresh, print_result, size_bytes
from benchmarks.common.places import PROFILES
from benchmarks.common.profile import Profile
from benchmarks.common.progress import Progress, said
from benchmarks.common.synthetic import METADATA, NAME, Synthesis, shards
from benchmarks.query.delphi_cache import write_cache
from benchmarks.query.duckdb_tables import TABLES, TUNED, DuckDB, write_parquet
from saelake.store.documents.documents import import_documents
from saelake.store.engine import Engine
from saelake.store.growth.clean_up import clean_up
from saelake.store.growth.index import index
from saelake.store.lake.lake import Lake
from saelake.store.requests.info import InfoQuery
from saelake.store.snapshot.collection import Collection

PROFILE = PROFILES / "imdb-minilm.npz"
# Bytes of disk for each code, while it is made: measured, and rounded up.
MAKING = {"lake": 12, "duckdb": 20, "delphi": 15}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What is in a lake."""

    n_documents: int
    n_tokens: int
    n_codes: int
    n_segments: int
    n_unindexed: int
    n_bytes: int  # of texts, codes and postings, as they are now

    @classmethod
    def of(cls, place: Path) -> "Made":
        """Look into a lake."""
        lake = Lake(str(place))
        (info,) = Engine(lake.uri).ask(InfoQuery()).read_all().to_pylist()
        collection = Collection(lake, NAME)
        tables = [collection.documents.table, collection.codes.table]
        if collection.postings is not None:
            tables.append(collection.postings.table)
        return cls(
            n_documents=info["n_documents"],
            n_tokens=info["n_tokens"],
            n_codes=info["n_codes"],
            n_segments=len(collection.segments),
            n_unindexed=len(collection.unindexed),
            n_bytes=sum(table.size_bytes for table in tables),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A lake of about `n_codes` codes, in documents of `mean_length` tokens on average.

    It is made in a folder in `root` where it is missing, or is `given` and only read; its copies
    are made in that folder. What is there is whole: it gets its name when it is done.
    """

    root: Path
    n_codes: int
    mean_length: float
    seed: int = 0
    given: Path | None = None

    @property
    def folder(self) -> Path:
        """Where what is made lies."""
        made = f"{self.mean_length:g}-{self.n_documents}-{self.seed}"
        return self.root / (f"of-{self.given.name}" if self.given else made)

    def lake(self) -> Path:
        """The lake."""
        return self.given or self._made("lake", self.n_documents, self.mean_length, self.seed)

    def copy(self, step: str, *options: object) -> Path:
        """The folder of a copy: `duckdb` or `delphi`."""
        return self._made(step, self.lake(), *options)

    def remove(self) -> None:
        """Remove what was made."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def took(self) -> Mapping[str, Mapping[str, float]]:
        """What making each of what was made here took, by step."""
        told = {step: self._told(step) for step in STEPS}
        return {step: json.loads(path.read_text()) for step, path in told.items() if path.exists()}

    @property
    def n_documents(self) -> int:
        """So many that they have about `n_codes`."""
        per_token = Profile.load(PROFILE).codes_per_token
        return max(round(self.n_codes / (self.mean_length * per_token)), 1)

    def __str__(self) -> str:
        return f"{self.n_codes:,} codes of documents of {self.mean_length:g} tokens"

    def _made(self, step: str, *arguments: object) -> Path:
        place = self.folder / step
        if not place.exists():
            part = self.folder / f"{step}.part"
            shutil.rmtree(part, ignore_errors=True)
            self.folder.mkdir(parents=True, exist_ok=True)
            check_room(self.folder, MAKING[step] * self.n_codes)
            with said(f"{self}: making its {step}"):
                took = fresh("benchmarks.query.sizes", step, part, *arguments)
            self._told(step).write_text(json.dumps(took))
            part.rename(place)
        return place

    def _told(self, step: str) -> Path:
        return self.folder / f"{step}.json"


def check_room(folder: Path, n_bytes: int) -> None:
    """Raise `RuntimeError` if so much is not free there."""
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise RuntimeError(
            f"making it takes up to {n_bytes / 1e9:.1f} GB of disk, and {free / 1e9:.1f} are free: "
            "name another --folder, or set TMPDIR"
        )


def make_lake(out: Path, n_documents: str, mean_length: str, seed: str) -> None:
    """A synthetic collection, indexed, without files of the past."""
    lake, n = Lake(str(out)), int(n_documents)
    synthesis = Synthesis(Profile.load(PROFILE), n, seed=int(seed), mean_length=float(mean_length))
    import_documents(lake, NAME.corpus, synthesis)
    encoded = Progress("documents with codes")
    for done in shards(lake, synthesis):
        encoded.at(done, n)
    index(lake, NAME, on_progress=Progress("documents indexed").at)
    clean_up(lake, older_than=timedelta(0), unverified=True)


def make_tables(out: Path, lake: str, threads: str) -> None:
    """A DuckDB file of its postings, sorted, and its documents; and how many bytes it has."""
    write_parquet(Collection(Lake(lake), NAME), out, TUNED, threads=int(threads))
    DuckDB.on_tables(out, METADATA.names, threads=int(threads)).close()
    for path in out.iterdir():
        if path.name != TABLES:
            path.unlink() if path.is_file() else shutil.rmtree(path)


def make_cache(out: Path, lake: str) -> None:
    """The codes as delphi keeps them."""
    write_cache(Collection(Lake(lake), NAME), list(Profile.load(PROFILE).words), out)


STEPS: Mapping[str, Callable[..., None]] = {
    "lake": make_lake,
    "duckdb": make_tables,
    "delphi": make_cache,
}


def main(step: str, out: str, *arguments: str) -> None:
    """Make it."""
    stretch = Stretch()
    STEPS[step](Path(out), *arguments)
    print_result(**stretch.stop(), n_bytes=size_bytes(Path(out)))


if __name__ == "__main__":
    main(*sys.argv[1:])
