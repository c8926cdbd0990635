"""Whether the tables of a lake agree with each other."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from saelake.store.activations.table import ActivationsTable
from saelake.store.codes.table import Locations
from saelake.store.documents.documents import Documents
from saelake.store.documents.scratch import Scratch
from saelake.store.errors import Corrupt, NotFound, SaelakeError
from saelake.store.format.checksums import CHECKSUM
from saelake.store.health.impacts import wrong_blocks
from saelake.store.health.index import compared, wrong_features
from saelake.store.health.rows import UNREADABLE, CodesReading, Fault, KeptReading, Reading
from saelake.store.index.totals import Totals
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.verify import CHECKS
from saelake.store.requests.waited.progress import told
from saelake.store.requests.waited.stopping import wanted
from saelake.store.snapshot.collection import Collection, open_codes
from saelake.store.tables.tables import Table

SHOWN = 5  # of what is wrong
OUTDATED = "; others are of before both poles were counted, and not used: run `saelake index {}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCheck:
    """One thing that must hold of a table, and what was found."""

    table: str
    check: str
    problem: str | None = None
    detail: str = ""

    def row(self) -> dict[str, object]:
        """The check as a row of `CHECKS`."""
        ok = self.problem is None
        found = self.detail if ok else self.problem
        return {"table": self.table, "check": self.check, "ok": ok, "detail": found}


def verify(lake: Lake, only: CollectionName | None = None) -> pa.RecordBatchReader:
    """Every check of one collection, or of the whole lake; reads all data. Raises `NotFound`."""
    lake = lake.pinned()
    if only is not None:
        open_codes(lake, only)
    collections = [only] if only else lake.collections()
    corpora = [only.corpus] if only else _filled(lake)

    def checks() -> Iterator[TableCheck]:
        for corpus in corpora:
            yield from _until_damage(f"{corpus}.lance", _documents(lake, corpus))
        for name in collections:
            yield from _until_damage(str(name), _opened(lake, name))
        for name in lake.activation_stores():
            if only in (None, name):
                yield from _until_damage(str(name), _kept(lake, name))

    rows = (pa.RecordBatch.from_pylist([check.row()], schema=CHECKS) for check in checks())
    return pa.RecordBatchReader.from_batches(CHECKS, rows)


def _filled(lake: Lake) -> list[str]:
    """The corpora that have documents."""
    found = []
    for corpus in lake.corpora():
        with suppress(NotFound):
            found.append(Documents.open(lake, corpus).corpus)
    return found


def _until_damage(name: str, checks: Iterator[TableCheck]) -> Iterator[TableCheck]:
    """The checks, up to data that cannot be read."""
    try:
        yield from checks
    except Corrupt as error:
        yield TableCheck(table=name, check="data can be read", problem=error.message)
    except (IndexError, ValueError) as error:  # of numbers that were read, but make no sense
        if isinstance(error, SaelakeError):
            raise
        yield TableCheck(
            table=name, check="data can be read", problem=f"contradicts itself: {error}"
        )


def _opened(lake: Lake, name: CollectionName) -> Iterator[TableCheck]:
    """The checks of a collection; none of one that has no shard yet."""
    try:
        collection = Collection(lake, name)
    except NotFound:
        return
    except UNREADABLE as error:
        yield TableCheck(table=str(name), check="files are complete", problem=str(error))
        return
    yield from _collection(lake, collection)


def _documents(lake: Lake, corpus: str) -> Iterator[TableCheck]:
    name = f"{corpus}.lance"
    documents = Documents.open(lake, corpus)
    yield _files(name, [documents.table])
    expected = 0
    problem = None
    batches = documents.table.scan(["doc"], batch_rows=1 << 16)
    for batch in told("checking documents", wanted(batches)):
        found = np.asarray(batch["doc"])
        if not np.array_equal(found, np.arange(expected, expected + len(found))):
            problem = f"documents after number {expected} are not numbered one after another"
            break
        expected += len(found)
    deleted = f", {documents.n_deleted} of them deleted" if documents.n_deleted else ""
    yield TableCheck(
        table=name,
        check="documents are numbered in order",
        problem=problem,
        detail=f"{expected} documents{deleted}",
    )
    yield _ids(name, documents)


def _ids(name: str, documents: Documents) -> TableCheck:
    """No two documents that are not deleted have one id."""
    with Scratch() as scratch:
        problem = None
        batches = documents.table.scan(["doc", "id"], batch_rows=1 << 16)
        for batch in told("checking ids", wanted(batches)):
            rows = batch
            if documents.alive is not None:
                rows = batch.filter(pa.array(documents.alive[np.asarray(batch["doc"])]))
            docs = rows["doc"].to_pylist()
            owners = scratch.claim(rows["id"].to_pylist(), docs)
            repeated = [doc for doc, owner in zip(docs, owners, strict=True) if doc != owner]
            if repeated:
                problem = f"document {repeated[0]} has the id of another"
                break
    return TableCheck(table=name, check="ids are there once", problem=problem)


def _collection(lake: Lake, collection: Collection) -> Iterator[TableCheck]:
    codes, name = collection.codes, str(collection.name)
    tables = [codes.table] + ([collection.postings.table] if collection.postings else [])
    tables += [collection.impacts.table] if collection.impacts else []
    yield _files(name, tables)
    reading = CodesReading.of(codes)
    yield _rows(name, collection, reading)
    if reading.unreadable:
        return
    yield _once(name, codes.locations, collection.documents, "encoded")
    if not reading.faults:
        yield _postings(name, collection)
        yield from _impacts(name, collection)
        yield from _features(lake, collection, reading.totals)


def _files(name: str, tables: Iterable[Table]) -> TableCheck:
    try:
        for table in tables:
            table.verify()
    except Corrupt as error:
        return TableCheck(table=name, check="files are complete", problem=error.message)
    return TableCheck(table=name, check="files are complete")


def _kept(lake: Lake, name: CollectionName) -> Iterator[TableCheck]:
    """The checks of what is kept of activations."""
    table, documents = f"{name} activations", Documents.open(lake, name.corpus)
    kept = ActivationsTable.open(lake, name)
    yield _files(table, [kept.table])
    reading = KeptReading.of(kept)
    yield TableCheck(
        table=table,
        check="rows are well formed",
        problem=_problem(reading, "activations", documents),
        detail=f"{reading.n_tokens} tokens of {reading.n_rows} rows",
    )
    if not reading.unreadable:
        yield _once(table, kept.locations, documents, "kept")


def _rows(name: str, collection: Collection, reading: CodesReading) -> TableCheck:
    summed = CHECKSUM in collection.codes.table.schema.names
    return TableCheck(
        table=name,
        check="codes rows are well formed",
        problem=_problem(reading, "codes", collection.documents),
        detail=f"{reading.n_codes} codes of {reading.n_rows} rows; "
        + ("checksums agree" if summed else "no checksums"),
    )


def _problem(reading: Reading, of: str, documents: Documents) -> str | None:
    """What is wrong, or None."""
    if reading.unreadable:
        return f"the fragments {_listed(reading.unreadable)} of the {of} cannot be read"
    if reading.faults:
        return _listed([f"{_id(documents, fault)} has {fault.what}" for fault in reading.faults])
    return None


def _id(documents: Documents, fault: Fault) -> str:
    """The document of a fault, by its id where it has one."""
    doc = fault.doc
    if doc >= documents.n_documents or not documents.is_alive(doc):
        return f"document {doc}"
    found = documents.take(np.array([doc], np.uint64), ["id"])["id"][0]
    return f"document {found} (number {doc})"


def _listed(shown: Sequence[object]) -> str:
    listed = ", ".join(map(str, shown[:SHOWN]))
    return f"{listed} and {len(shown) - SHOWN} more" if len(shown) > SHOWN else listed


def _once(name: str, locations: Locations, documents: Documents, done: str) -> TableCheck:
    """Every document of the corpus is in a table once."""
    ranges = locations.ranges()
    repeated = [b for (_, end), (b, _) in pairwise(ranges) if b < end]
    beyond = ranges and ranges[-1][1] > documents.n_documents
    problem = None
    if repeated:
        problem = f"document {repeated[0]} is there twice"
    elif beyond:
        problem = f"document {ranges[-1][1] - 1} is not in the corpus"
    missing = documents.n_documents - locations.n_documents
    detail = f"{locations.n_documents} {done}, {missing} not yet"
    return TableCheck(table=name, check="documents are there once", problem=problem, detail=detail)


def _postings(name: str, collection: Collection) -> TableCheck:
    """Each segment's postings are those of the codes that it covers."""
    found = list(compared(collection))
    n = sum(each.n_postings for each in found)
    wrong = [i for each in found if not each.agrees for i in each.segments[0].covers]
    return TableCheck(
        table=name,
        check="postings agree with the codes",
        problem=f"those of the codes fragments {_listed(wrong)} do not" if wrong else None,
        detail=f"{n} postings in {len(collection.segments)} segments"
        + (OUTDATED.format(name) if collection.is_outdated else ""),
    )


def _impacts(name: str, collection: Collection) -> Iterator[TableCheck]:
    """Each block of impacts is of the codes that it covers."""
    if collection.nearest is None:
        return
    wrong = [i for block in wrong_blocks(collection) for i in block.covers]
    yield TableCheck(
        table=name,
        check="impacts agree with the codes",
        problem=f"those of the codes fragments {_listed(wrong)} do not" if wrong else None,
        detail=f"{collection.nearest.n_documents} documents in "
        f"{len(collection.nearest.blocks)} blocks",
    )


def _features(lake: Lake, collection: Collection, totals: Totals) -> Iterator[TableCheck]:
    if not collection.unindexed:
        problem = wrong_features(lake, collection.name, totals)
        check = "feature statistics agree with the codes"
        yield TableCheck(table=str(collection.name), check=check, problem=problem)
