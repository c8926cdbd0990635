"""Top 20 of a feature, by the size of the lake: `python -m benchmarks scale --documents 60000`.

Lakes are synthetic, made through the store's own import, shards and index; or they are there.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.common.measure import Stretch, elapsed_s
from benchmarks.common.places import PROFILES
from benchmarks.common.profile import Profile
from benchmarks.common.report import Cell, Table, publish
from benchmarks.common.synthetic import NAME, Synthesis, synthesise
from saelake.store.engine import Engine
from saelake.store.lake.lake import Lake
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.collection import Collection

WARM_UP = 300  # questions, beside which columns, texts and first tiers are read
MIB = 1 << 20
NOTE = (
    f"Each feature once. Cold: the first {WARM_UP} questions of a process, without the very first, "
    "beside which what is kept in memory is read."
)


def main(
    documents: Annotated[list[int] | None, typer.Option(help="sizes of lakes to make")] = None,
    lake: Annotated[list[Path] | None, typer.Option(help="lakes of this synthesis")] = None,
    mean_length: Annotated[float, typer.Option(help="tokens a document")] = 50,
    questions: int = 1000,
    seed: int = 0,
) -> None:
    """Ask each lake for the top of features at random, each feature once."""
    rows = [measure(place, questions, seed) for place in lake or ()]
    for size in documents or ([] if lake else [6_000, 60_000]):
        with _made(size, mean_length, seed) as place:
            rows.append(measure(place, questions, seed))
    publish("scale", [Table(title="Top 20 of a feature, by size", rows=rows, note=NOTE)], facts={})


@contextmanager
def _made(n_documents: int, mean_length: float, seed: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="saelake-") as folder:
        profile = Profile.load(PROFILES / "imdb-minilm.npz")
        synthesis = Synthesis(profile, n_documents, seed=seed, mean_length=mean_length)
        synthesise(Lake(folder), synthesis)
        yield Path(folder)


def measure(place: Path, questions: int, seed: int) -> Mapping[str, Cell]:
    """A row of the table."""
    stretch = Stretch()
    engine = Engine(str(place))
    collection = Collection(Lake(str(place)), NAME)
    asked = np.random.default_rng(seed).permutation(collection.settings.width)
    features = asked[: questions + WARM_UP].tolist()
    every = np.array([1e3 * elapsed_s(partial(_answer, engine, f)) for f in features])
    cold, ms = every[1:WARM_UP], every[WARM_UP:]
    peak = stretch.stop()["peak_bytes"]
    (info,) = engine.ask(InfoQuery()).read_all().to_pylist()
    postings = collection.postings
    assert postings is not None
    return {
        "documents": f"{info['n_documents']:,}",
        "codes": info["n_codes"],
        "segments": len(collection.segments),
        "not indexed": len(collection.unindexed),
        "postings MB": postings.table.size_bytes / 1e6,
        "codes MB": collection.codes.table.size_bytes / 1e6,
        "first ms": float(every[0]),
        "cold p50 ms": float(np.median(cold)),
        "cold p99 ms": float(np.quantile(cold, 0.99)),
        "p50 ms": float(np.median(ms)),
        "p99 ms": float(np.quantile(ms, 0.99)),
        "peak MiB": peak / MIB,
    }


def _answer(engine: Engine, feature: int) -> None:
    engine.ask(TokensQuery(collection=str(NAME), expression=str(feature))).read_all()
