"""Where the bytes of a lake go: `python -m benchmarks bytes`, by table and column.

Lakes are synthetic, one of short documents and one of long ones of the same statistics; or there.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer

from benchmarks.common.places import PROFILES
from benchmarks.common.profile import Profile
from benchmarks.common.report import Cell, Table, publish
from benchmarks.common.synthetic import NAME, Synthesis, synthesise
from saelake.store.engine import Engine
from saelake.store.format.schema import N_TIERS
from saelake.store.index.tiers import bands, bytes_of
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.info import InfoQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.tables.tables import Table as StoredTable

SECTIONS = ("documents, maxima, positions", "other tokens", "characters")


def main(
    lake: Annotated[list[Path] | None, typer.Option(help="lakes; they are only read")] = None,
    collection: Annotated[str, typer.Option(help="of these lakes")] = str(NAME),
    tokens: Annotated[int, typer.Option(help="of each synthetic lake")] = 300_000,
    mean_length: Annotated[
        list[float] | None, typer.Option(help="tokens a document, a lake for each")
    ] = None,
    seed: int = 0,
) -> None:
    """Say how many bytes a code each column of codes and postings takes."""
    places = {place.name: place for place in lake or ()}
    with tempfile.TemporaryDirectory(prefix="saelake-") as folder:
        for length in [] if lake else mean_length or [50.0, 290.0]:
            place = Path(folder) / f"{length:g} tokens a document"
            profile = Profile.load(PROFILES / "imdb-minilm.npz")
            n = max(int(tokens / length), 1)
            synthesise(Lake(str(place)), Synthesis(profile, n, seed=seed, mean_length=length))
            places[place.name] = place
        found = {name: measured(place, collection) for name, place in places.items()}
    rows = [
        {"": part, **{name: each.get(part) for name, each in found.items()}}
        for part in dict.fromkeys(part for each in found.values() for part in each)
    ]
    publish("bytes", [Table(title="Bytes a code", rows=rows)], facts={})


def measured(place: Path, name: str) -> Mapping[str, Cell]:
    """The bytes a code of each column, and their sums."""
    (info,) = (
        row
        for row in Engine(str(place)).ask(InfoQuery()).read_all().to_pylist()
        if f"{row['corpus']}/{row['dictionary']}" == name
    )
    n_codes = info["n_codes"]
    snapshot = Collection(Lake(str(place)), CollectionName.parse(name))
    assert snapshot.postings is not None
    tables = {"codes": snapshot.codes.table, "postings": snapshot.postings.table}
    cells: dict[str, Cell] = {"documents": info["n_documents"], "codes": n_codes}
    for kind, table in tables.items():
        columns = _columns(table)
        cells[f"{kind}: all"] = sum(columns.values()) / n_codes
        cells |= {f"{kind}: {column}": n / n_codes for column, n in columns.items() if n}
    if "packed" in tables["postings"].schema.names:
        sections = _sections(snapshot)
        cells |= {f"of packed, {part}": n / n_codes for part, n in sections.items()}
    cells["together"] = sum(t.size_bytes for t in tables.values()) / n_codes
    return cells


def _columns(table: StoredTable) -> Counter[str]:
    """The bytes of each column in all files of a snapshot."""
    from lance.file import LanceFileReader  # after the store, which tells Lance what to log

    found: Counter[str] = Counter()
    for fragment in table.fragments:
        path = f"{table.uri}/data/{table.file_of(fragment.id)}"
        statistics = LanceFileReader(path).file_statistics()
        for name, column in zip(table.schema.names, statistics.columns, strict=False):
            found[name] += column.size_bytes
    return found


def _sections(snapshot: Collection) -> Mapping[str, int]:
    """The bytes of each section of the packed tiers, and of their headers."""
    assert snapshot.postings is not None
    sums, n_bytes = np.zeros(len(SECTIONS), np.int64), 0
    for batch in _packed(snapshot.postings.table):
        for tier in bands(batch, snapshot.postings.dtype):
            for band in tier:
                sums += [len(section) for section in band.sections]
        begins, _ = bytes_of(batch)
        n_bytes += int(begins[-1] - begins[0])
    return {**dict(zip(SECTIONS, sums.tolist(), strict=True)), "headers": n_bytes - int(sums.sum())}


def _packed(table: StoredTable) -> Iterator[pa.Array]:
    for batch in table.scan(["packed"], batch_rows=N_TIERS * 256):
        yield batch.column(0)
