"""What rows of codes take alone and together, of how many evidence needs codes, and how many
features are best read together: decision 052.

`python -m benchmarks.decisions.d052_evidence --lake demo-lake`
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any

import numpy as np
import typer

import saelake
from benchmarks.query.evidence import DEMO
from saelake.explaining import reading
from saelake.explaining.evidence import FeatureEvidence
from saelake.explaining.reading import EvidenceReader
from saelake.store.codes.characters import CHARACTERS
from saelake.store.codes.table import CodesTable
from saelake.store.codes.terse import FIRING
from saelake.store.format.lists import Array
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.snapshot.collection import Collection

WINDOWS = 70  # of a feature, about
TOGETHER = (70, 280, 1120, 4480)
COLUMNS = {"characters": CHARACTERS, "what fires": FIRING, "both": (*CHARACTERS, *FIRING)}
REPEATED = 8


def main(
    lake: Annotated[str, typer.Option(help="that of the demo, in a folder")] = "demo-lake",
    collection: Annotated[str, typer.Option()] = DEMO,
    features: Annotated[int, typer.Option(help="drawn by chance")] = 300,
) -> None:
    """Say what each takes, in CPU-milliseconds of all cores."""
    random = np.random.default_rng(0)
    stored = Collection(Lake(lake), CollectionName.parse(collection))
    for n in TOGETHER:
        taken = {name: _rows_ms(stored.codes, n, names, random) for name, names in COLUMNS.items()}
        said = ", ".join(f"{name} {ms:.2f}" for name, ms in taken.items())
        print(f"{WINDOWS} rows, of {n:,} read together: {said}")
    found = saelake.connect(lake)[collection]
    live = [row.feature for row in found.features(k=None) if row.document_frequency]
    drawn = random.choice(live, min(features, len(live)), replace=False)
    names = np.sort(drawn).tolist()
    with _counted() as read:
        evidence = list(EvidenceReader(found).read(names))
    _say_windows(evidence, len(read), stored)
    for at_once in (8, 16, 32, 64):
        reader = EvidenceReader(found)
        next(reader.read(names[:1]))
        reading.AT_ONCE = at_once
        ms = _cpu_ms(partial(_read, reader, names)) / len(names)
        print(f"{at_once} features together: {ms:.1f}")


def _read(reader: EvidenceReader, names: Sequence[str]) -> list[FeatureEvidence]:
    return list(reader.read(names))


def _rows_ms(codes: CodesTable, n: int, columns: Sequence[str], random: Any) -> float:
    """What `WINDOWS` rows take, of `n` by chance that are read together."""
    ranges = codes.locations.ranges()
    docs = np.concatenate([np.arange(*each, dtype=np.uint64) for each in ranges])
    taken = []
    for _ in range(REPEATED):
        some = np.sort(random.choice(docs, min(n, len(docs)), replace=False))
        addresses = [address for _, address in codes.locations.find(some)]
        take = partial(codes.table.take_addresses, addresses, columns)
        taken.append(_cpu_ms(take) / len(some))
    return float(np.median(taken)) * WINDOWS


def _cpu_ms(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return 1e3 * (time.process_time() - begun)


@contextmanager
def _counted() -> Iterator[list[int]]:
    """The documents of which codes are read, as often as they are."""
    whole, read = CodesTable.occurrences, list[int]()

    def occurrences(codes: CodesTable, docs: Array, features: Sequence[int]) -> Any:
        read.extend(docs.tolist())
        return whole(codes, docs, features)

    CodesTable.occurrences = occurrences  # type: ignore[assignment, method-assign]
    try:
        yield read
    finally:
        CodesTable.occurrences = whole  # type: ignore[method-assign]


def _say_windows(evidence: Sequence[FeatureEvidence], n_read: int, stored: Collection) -> None:
    n = len(evidence)
    windows = [(each, window) for each in evidence for window in (*each.shown, *each.scored)]
    firing = [(each, window) for each, window in windows if window.fires]
    at_one = sum(sum(s > 0 for s in window.strengths) == 1 for _, window in firing)
    once = 0
    for each in evidence:
        docs = np.unique([w.doc for w in (*each.shown, *each.scored) if w.fires]).astype(np.uint64)
        fired = stored.codes.occurrences(docs, [int(each.feature)])[int(each.feature)]
        once += int((np.bincount(fired.index) == 1).sum())
    print(f"{len(windows) / n:.1f} windows a feature, {len(firing) / n:.1f} of which fire:")
    shares = at_one / len(firing), once / len(firing)
    print("  at one token {:.0%}, once in the document {:.0%}".format(*shares))
    print(f"  rows of codes read: {n_read / n:.1f} a feature")


if __name__ == "__main__":
    typer.run(main)
