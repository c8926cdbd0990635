"""Whether the tables of a lake agree with each other."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from saelake.store.codes import CodesTable
from saelake.store.collection import Collection
from saelake.store.documents import Documents
from saelake.store.errors import Corrupt, NotFound, SaelakeError
from saelake.store.features import Totals
from saelake.store.lake import CollectionName, Lake
from saelake.store.lists import Array, Lists, runs
from saelake.store.postings import CODES_COLUMNS, postings_of
from saelake.store.schema import N_TIERS
from saelake.store.segments import Segment
from saelake.store.tables import Table, read

CHECKS = pa.schema(
    [
        pa.field("table", pa.string()),
        pa.field("check", pa.string()),
        pa.field("ok", pa.bool_()),
        pa.field("detail", pa.string()),
    ]
)

SCAN_ROWS = 256
FEATURES_PER_READ = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
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
    collections = [only] if only else lake.collections()
    corpora = [only.corpus] if only else lake.corpora()
    opened = [c for name in collections if (c := _opened(lake, name, named=bool(only)))]

    def checks() -> Iterator[Check]:
        for corpus in corpora:
            yield from _until_damage(f"{corpus}.lance", _documents(lake, corpus))
        for collection in opened:
            yield from _until_damage(str(collection.name), _collection(lake, collection))

    rows = (pa.RecordBatch.from_pylist([check.row()], schema=CHECKS) for check in checks())
    return pa.RecordBatchReader.from_batches(CHECKS, rows)


def _until_damage(name: str, checks: Iterator[Check]) -> Iterator[Check]:
    """The checks, up to data that cannot be read."""
    try:
        yield from checks
    except Corrupt as error:
        yield Check(table=name, check="data can be read", problem=error.message)
    except (IndexError, ValueError) as error:  # of numbers that were read, but make no sense
        if isinstance(error, SaelakeError):
            raise
        yield Check(table=name, check="data can be read", problem=f"contradicts itself: {error}")


def _opened(lake: Lake, name: CollectionName, *, named: bool) -> Collection | None:
    """The collection; None for one that has no shard yet, unless it is the one to verify."""
    try:
        return Collection(lake, name)
    except NotFound:
        if named:
            raise
        return None


def _documents(lake: Lake, corpus: str) -> Iterator[Check]:
    name = f"{corpus}.lance"
    documents = Documents.open(lake, corpus)
    yield _files(name, [documents.table])
    expected = 0
    problem = None
    for batch in documents.table.scan(["doc"], batch_rows=1 << 16):
        found = np.asarray(batch["doc"])
        if not np.array_equal(found, np.arange(expected, expected + len(found))):
            problem = f"documents after number {expected} are not numbered one after another"
            break
        expected += len(found)
    yield Check(
        table=name,
        check="documents are numbered in order",
        problem=problem,
        detail=f"{expected} documents",
    )


def _collection(lake: Lake, collection: Collection) -> Iterator[Check]:
    codes, name = collection.codes, str(collection.name)
    tables = [codes.table] + ([collection.postings.table] if collection.postings else [])
    yield _files(name, tables)
    yield _once(name, collection)
    sums = _Sums.zero(collection.settings.d_sae)
    problem = sums.add_all(codes, (f.id for f in codes.table.fragments))
    yield Check(
        table=name,
        check="codes rows are well formed",
        problem=problem,
        detail=f"{sums.n_codes} codes of {sums.n_rows} rows",
    )
    if problem is None:
        yield _postings(name, collection)
        yield from _features(lake, collection, sums)


def _files(name: str, tables: Iterable[Table]) -> Check:
    try:
        for table in tables:
            table.verify()
    except Corrupt as error:
        return Check(table=name, check="files are complete", problem=error.message)
    return Check(table=name, check="files are complete")


def _once(name: str, collection: Collection) -> Check:
    """Every document of the corpus is in the codes table once."""
    locations, n_documents = collection.codes.locations, collection.documents.n_documents
    ranges = locations.ranges()
    repeated = [b for (_, end), (b, _) in pairwise(ranges) if b < end]
    beyond = ranges and ranges[-1][1] > n_documents
    problem = None
    if repeated:
        problem = f"document {repeated[0]} is there twice"
    elif beyond:
        problem = f"document {ranges[-1][1] - 1} is not in the corpus"
    missing = n_documents - locations.n_documents
    detail = f"{locations.n_documents} encoded, {missing} not yet"
    return Check(table=name, check="documents are there once", problem=problem, detail=detail)


@dataclass(slots=True)
class _Sums:
    """What a whole reading of the codes adds up to."""

    totals: Totals
    n_rows: int = 0
    n_codes: int = 0
    n_tokens: int = 0

    @classmethod
    def zero(cls, d_sae: int) -> "_Sums":
        return cls(Totals.zero(d_sae))

    def add_all(self, codes: CodesTable, fragments: Iterable[int]) -> str | None:
        """Add every row; the first problem that is met."""
        columns = (*CODES_COLUMNS, "token_ids")
        for batch in codes.scan(columns, fragments=fragments, batch_rows=SCAN_ROWS):
            if problem := _row_problem(batch, len(self.totals.sum)):
                return problem
            self.totals.add(batch, codes.codec)
            self.n_rows += batch.num_rows
            self.n_codes += len(Lists.of(batch["values"]).values)
            self.n_tokens += len(Lists.of(batch["token_ids"]).values)
        return None


def _row_problem(batch: pa.RecordBatch, d_sae: int) -> str | None:
    features, counts = Lists.of(batch["features"]), Lists.of(batch["counts"])
    positions, values = Lists.of(batch["positions"]), Lists.of(batch["values"])
    occurrences = np.add.reduceat(np.append(counts.values, 0), features.offsets[:-1])
    occurrences = np.where(features.lengths > 0, occurrences, 0)
    problems: dict[str, Callable[[], Array]] = {
        "lists of different lengths": lambda: (
            (positions.lengths != values.lengths)
            | (occurrences != values.lengths)
            | (Lists.of(batch["max"]).lengths != features.lengths)
        ),
        "features out of order": lambda: _falls(features.values, features.rows, batch.num_rows),
        "features beyond the dictionary": lambda: _any(
            features.values >= d_sae, features.rows, batch.num_rows
        ),
        "a position beyond its tokens": lambda: _any(
            positions.values >= Lists.of(batch["token_ids"]).lengths[positions.rows],
            positions.rows,
            batch.num_rows,
        ),
        "a maximum that is not its values' maximum": lambda: _wrong_maxima(batch),
    }
    for what, bad in problems.items():
        rows = np.flatnonzero(bad())
        if len(rows):
            return f"document {batch['doc'][int(rows[0])]} has {what}"
    return None


def _falls(values: Array, rows: Array, n_rows: int) -> Array:
    falls = (values[1:] <= values[:-1]) & (rows[1:] == rows[:-1])
    return _any(falls, rows[1:], n_rows)


def _any(bad: Array, rows: Array, n_rows: int) -> Array:
    return np.bincount(rows[bad], minlength=n_rows) > 0


def _wrong_maxima(batch: pa.RecordBatch) -> Array:
    features, values = Lists.of(batch["features"]), Lists.of(batch["values"]).values
    counts = Lists.of(batch["counts"]).values.astype(np.int64)
    if len(counts) == 0:
        return np.zeros(batch.num_rows, np.bool_)
    maxima = np.maximum.reduceat(values, np.cumsum(counts) - counts)
    return _any(maxima != Lists.of(batch["max"]).values, features.rows, batch.num_rows)


def _postings(name: str, collection: Collection) -> Check:
    """Each segment's postings are those of the codes that it covers, by number and checksum."""
    found = expected = 0
    problem = None
    for segment in collection.segments:
        stored = _stored_checksum(collection, segment)
        computed = _computed_checksum(collection.codes, segment)
        found, expected = found + stored[0], expected + computed[0]
        if stored != computed:
            problem = f"segment {segment.fragment} does not agree with the codes that it covers"
    return Check(
        table=name,
        check="postings agree with the codes",
        problem=problem,
        detail=f"{found} postings in {len(collection.segments)} segments",
    )


def _checksum(feature: Array, doc: Array, value: Array, position: Array) -> int:
    """A sum over postings that does not depend on their order."""
    with np.errstate(over="ignore"):
        mixed = feature.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= doc.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
        mixed ^= value.astype(np.int64).view(np.uint64) * np.uint64(0x165667B19E3779F9)
        mixed ^= position.astype(np.uint64) * np.uint64(0x27D4EB2F165667C5)
        return int((mixed * mixed).sum(dtype=np.uint64))


def _stored_checksum(collection: Collection, segment: Segment) -> tuple[int, int]:
    n = total = 0
    d_sae = collection.settings.d_sae
    for first in range(0, d_sae, FEATURES_PER_READ):
        features = range(first, min(first + FEATURES_PER_READ, d_sae))
        for tier in range(N_TIERS):
            if collection.postings is None:
                continue
            for feature, p in zip(
                features, collection.postings.read(features, tier, [segment]), strict=True
            ):
                n += len(p)
                total += _checksum(np.full(len(p), feature), p.doc, p.max, p.position)
    return n, total % 2**64


def _computed_checksum(codes: CodesTable, segment: Segment) -> tuple[int, int]:
    n = total = 0
    columns = (*CODES_COLUMNS, "token_ids")
    for batch in codes.scan(columns, fragments=segment.covers, batch_rows=SCAN_ROWS):
        postings = postings_of(batch)
        if np.asarray(batch["part"]).any():
            order = np.lexsort(
                (postings.position, -postings.max.astype(np.int32), postings.feature, postings.doc)
            )
            postings = postings[order]
            key = postings.doc.astype(np.uint64) << np.uint64(24) | postings.feature
            postings = postings[runs(key)]
        n += len(postings)
        total += _checksum(postings.feature, postings.doc, postings.max, postings.position)
    return n, total % 2**64


def _features(lake: Lake, collection: Collection, sums: _Sums) -> Iterator[Check]:
    if collection.unindexed:
        return
    check = "feature statistics agree with the codes"
    name = str(collection.name)
    try:
        stored = Totals.of(read(lake.features(collection.name)))
    except NotFound:
        yield Check(table=name, check=check, problem="there is no features table: index again")
        return
    same = (
        np.array_equal(stored.token_frequency, sums.totals.token_frequency)
        and np.array_equal(stored.document_frequency, sums.totals.document_frequency)
        and np.array_equal(stored.max, sums.totals.max)
    )
    problem = None if same else "frequencies or maxima differ: index again"
    yield Check(table=name, check=check, problem=problem)
