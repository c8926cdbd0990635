"""What a few rows take, of a table, its file, or memory; and filters likewise: decisions 024, 026.

Every way is asked in turn, for rows of its own at random.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from lance.file import LanceFileReader

from benchmarks.common.measure import elapsed_s
from benchmarks.common.places import PROFILES
from benchmarks.common.profile import Profile
from benchmarks.common.report import Cell, Table, publish
from benchmarks.common.synthetic import NAME, SHELVES, Synthesis, synthesise
from benchmarks.common.turns import in_turn
from saelake.store.arrays.cache import Cache
from saelake.store.documents.filters import FilterCache
from saelake.store.documents.shown import ShownColumns
from saelake.store.format.schema import N_TIERS
from saelake.store.lake.lake import Lake
from saelake.store.snapshot.collection import Collection
from saelake.store.tables.tables import Table as StoredTable
from saelake.store.tables.tables import address

N_HITS, MEAN_LENGTH, WARM_UP = 20, 50, 10
N_SHELVES = 10  # a hundredth
Read = Callable[[], object]


def main(
    lake: Annotated[Path | None, typer.Option(help="a synthetic lake that is there")] = None,
    documents: Annotated[int, typer.Option(help="of the lake that is made without one")] = 10_000,
    rounds: int = 150,
    seed: int = 0,
) -> None:
    """Read the strongest postings of features, documents as an answer shows them, and filters."""
    with tempfile.TemporaryDirectory(prefix="saelake-") as folder:
        place = Lake(str(lake or folder))
        if lake is None:
            profile = Profile.load(PROFILES / "imdb-minilm.npz")
            synthesise(place, Synthesis(profile, documents, mean_length=MEAN_LENGTH))
        collection = Collection(place, NAME)
        ways = _ways(collection, np.random.default_rng(seed))
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds + WARM_UP):
            for name in in_turn(list(ways), number):
                taken[name].append(1e3 * elapsed_s(ways[name]()))
    rows: list[dict[str, Cell]] = [
        {
            "read": name,
            "p50 ms": float(np.median(ms[WARM_UP:])),
            "fastest tenth ms": float(np.quantile(ms[WARM_UP:], 0.1)),
        }
        for name, ms in taken.items()
    ]
    facts: dict[str, Cell] = {"documents": collection.documents.n_documents, "rounds": rounds}
    publish("rows", [Table(title="Single rows, and filters", rows=rows)], facts=facts)


def _ways(collection: Collection, random: np.random.Generator) -> Mapping[str, Callable[[], Read]]:
    """By name what makes the next read."""
    assert collection.postings is not None
    postings, documents = collection.postings.table, collection.documents.table
    columns = ["id", "text", *collection.documents.metadata_columns]
    shown = _kept(documents, columns)

    def postings_of(read: Callable[..., object]) -> Read:
        feature = int(random.integers(collection.settings.width))
        place = address(collection.segments[0].fragment, feature * N_TIERS)
        return partial(read, [place], ["strongest"])

    def documents_of(read: Callable[..., object]) -> Read:
        return partial(read, random.choice(documents.n_rows, N_HITS, replace=False), columns)

    def shelves(read: Callable[[str], object]) -> Read:
        first = int(random.integers(SHELVES - N_SHELVES))
        return partial(read, f"shelf >= {first} AND shelf < {first + N_SHELVES}")

    def label(read: Callable[[str], object]) -> Read:
        return partial(read, "label = 'pos'")

    table_mask = FilterCache(documents, cache=Cache(0)).mask
    memory_mask = FilterCache(documents, cache=Cache(0), columns=shown).mask
    list_file = _file(postings, collection.segments[0].fragment, ["strongest"])
    text_file = _file(documents, documents.fragments[0].id, columns)
    return {
        "postings": lambda: postings_of(postings.take_addresses),
        "postings, of the file": lambda: postings_of(partial(_of_file, list_file)),
        "documents": lambda: documents_of(documents.take),
        "documents, of the file": lambda: documents_of(partial(_of_file, text_file)),
        "documents, all but texts from memory": lambda: documents_of(shown.take),
        "1 % by a number": lambda: shelves(table_mask),
        "1 % by a number, from memory": lambda: shelves(memory_mask),
        "half by a text": lambda: label(table_mask),
        "half by a text, from memory": lambda: label(memory_mask),
    }


def _kept(documents: StoredTable, columns: Sequence[str]) -> ShownColumns:
    """The columns but the text, in memory."""
    shown = ShownColumns(documents, [name for name in columns if name != "text"])
    shown.read()
    return shown


def _file(table: StoredTable, fragment: int, columns: Sequence[str]) -> LanceFileReader:
    """What reads columns of a fragment's file, which stays open."""
    path = f"{table.uri}/data/{table.file_of(fragment)}"
    return LanceFileReader(path, columns=list(columns))


def _of_file(file: LanceFileReader, rows: Sequence[int], _: Sequence[str]) -> pa.Table:
    """Rows of a file, by number or address."""
    return file.take_rows(sorted(int(row) & 0xFFFFFFFF for row in rows)).to_table()
