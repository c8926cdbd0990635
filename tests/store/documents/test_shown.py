"""Columns that are kept in memory are those of the files."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from saelake.store.arrays.cache import PATIENCE, Cache
from saelake.store.documents.filters import FilterCache
from saelake.store.documents.shown import SHARE, ShownColumns, texts_in_one
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table, drop

SCHEMA = pa.schema(
    [("doc", pa.uint64()), ("id", pa.string()), ("text", pa.string()), ("rating", pa.int32())]
)
COLUMNS = ["id", "rating", "text"]
DOCS = np.array([5, 2, 2, 7], np.uint64)
ROOM = 1 << 20


def rows(first: int, last: int, said: str = "text") -> pa.RecordBatch:
    made = [
        {"doc": i, "id": f"d{i}", "text": f"{said} {i}", "rating": i if i % 2 else None}
        for i in range(first, last)
    ]
    return pa.RecordBatch.from_pylist(made, schema=SCHEMA)


def added(table: Table, batch: pa.RecordBatch) -> Table:
    draft = table.write([batch])
    return table.commit(lambda _: Change(add=draft))


@pytest.fixture
def table(tmp_path: Path) -> Table:
    found = Table.open_or_create(str(tmp_path / "d.lance"), SCHEMA)
    return added(added(found, rows(0, 4)), rows(4, 9))


def kept(table: Table, cache: Cache, columns: Sequence[str] = COLUMNS) -> ShownColumns:
    """The columns, which are read."""
    shown = ShownColumns(table, columns, cache=cache)
    shown.read()
    return shown


def taken(table: Table, columns: Sequence[str] = COLUMNS) -> list[dict[str, object]]:
    found: list[dict[str, object]] = table.take(DOCS.tolist(), columns).to_pylist()
    return found


@pytest.mark.parametrize("columns", [["rating", "text", "id"], ["id"], ["text"], ["doc", "rating"]])
def test_what_is_kept_is_what_is_stored(table: Table, columns: list[str]) -> None:
    shown = ShownColumns(table, COLUMNS)
    read = shown.take(DOCS, columns)
    shown.read()
    assert all((shown.find(name) is not None) == (name in COLUMNS) for name in columns)
    found = shown.take(DOCS, columns)
    assert found.schema == read.schema
    assert found.to_pylist() == read.to_pylist() == taken(table, columns)


def test_of_no_documents_there_is_a_table_without_rows(table: Table) -> None:
    shown = ShownColumns(table, COLUMNS)
    nothing = np.empty(0, np.uint64)
    assert shown.take(nothing, COLUMNS).num_rows == 0
    shown.read()
    assert shown.take(nothing, COLUMNS).num_rows == 0


def test_one_question_reads_only_what_it_shows(table: Table) -> None:
    cache = Cache(ROOM)
    shown = ShownColumns(table, COLUMNS, cache=cache)
    for _ in range(PATIENCE):
        shown.take(DOCS, ["id", "text"])
    assert not cache.is_reading
    assert cache.n_bytes == 0
    shown.take(DOCS, ["id", "text"])
    for _ in range(500):
        if shown.find("text") is not None:
            break
        time.sleep(0.01)
    assert shown.take(DOCS, COLUMNS).to_pylist() == taken(table)
    assert shown.find("rating") is not None


def test_columns_that_are_too_large_are_not_kept(table: Table) -> None:
    cache = Cache(int(55 / SHARE))
    shown = kept(table, cache)
    assert shown.find("id") is None  # 9 ids and their offsets
    assert shown.find("rating") is not None
    assert shown.find("text") is not None  # of which there may be more bytes
    assert shown.take(DOCS, COLUMNS).to_pylist() == taken(table)
    kept(table, cache)
    assert 0 < cache.n_bytes <= cache.capacity


def test_two_collections_of_a_corpus_keep_its_columns_once(table: Table) -> None:
    cache = Cache(ROOM)
    kept(table, cache)
    n_bytes = cache.n_bytes
    other = ShownColumns(Table.open(table.uri), COLUMNS, cache=cache)
    assert other.find("text") is not None
    kept(Table.open(table.uri), cache)
    assert cache.n_bytes == n_bytes


def test_after_an_import_only_what_is_new_is_read(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, scanned = Cache(ROOM), list[int]()
    before = kept(table, cache)
    scan = Table.scan

    def counted(self: Table, *args: object, **more: object) -> object:
        for batch in scan(self, *args, **more):  # type: ignore[arg-type]  # as it was called
            scanned.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(Table, "scan", counted)
    newer = added(table, rows(9, 12))
    after = ShownColumns(newer, COLUMNS, cache=cache)
    assert after.find("id") is None  # of the last three there is nothing yet
    after.read()
    assert scanned == [3] * len(COLUMNS)
    for shown, of in ((after, newer), (before, table)):
        for name in COLUMNS:
            found = shown.find(name)
            assert found is not None
            assert found.to_pylist() == of.read([name])[name].to_pylist()


def test_what_was_of_other_files_is_never_shown(table: Table) -> None:
    cache = Cache(ROOM)
    before = kept(table, cache)
    first, last = table.fragments
    draft = table.write([rows(0, 4, "later")], one_fragment=True)
    changed = table.commit(lambda _: Change(instead={first.id: draft}))
    after = ShownColumns(changed, COLUMNS, cache=cache)
    assert after.find("text") is None
    assert after.take(DOCS, COLUMNS).to_pylist() == taken(changed)
    assert before.take(DOCS, COLUMNS).to_pylist() == taken(table)
    after.read()
    assert after.take(DOCS, COLUMNS).to_pylist() == taken(changed) != taken(table)
    assert before.take(DOCS, COLUMNS).to_pylist() == taken(table)
    assert last.n_rows == 5


def test_a_table_of_the_same_name_has_columns_and_masks_of_its_own(table: Table) -> None:
    cache = Cache(ROOM)
    where = "rating = 3 OR text = 'text 4'"
    columns = kept(table, cache)
    filters = FilterCache(table, cache=cache, columns=columns)
    assert filters.mask(where) is filters.mask(where)
    drop(table.uri)
    empty = Table.open_or_create(table.uri, SCHEMA)
    other = added(added(empty, rows(0, 4, "other")), rows(4, 9, "other"))
    assert other.version == table.version
    shown = ShownColumns(other, COLUMNS, cache=cache)
    assert shown.take(DOCS, COLUMNS).to_pylist() == taken(other)
    mask = FilterCache(other, cache=cache, columns=shown).mask(where)
    assert mask is not None
    assert mask.nonzero()[0].tolist() == [3]


def test_a_filter_is_answered_from_columns_in_memory(table: Table) -> None:
    cache = Cache(ROOM)
    columns = ShownColumns(table, COLUMNS, cache=cache)
    filters = FilterCache(table, cache=cache, columns=columns)
    read = filters.mask("rating > 3 OR id LIKE 'd1%'")
    columns.read()
    cache.put(("columns",), None, 0)
    drop(table.uri)  # now nothing can be read
    kept_in_memory = filters.mask("rating > 3  OR id LIKE 'd1%'")
    assert read is not None
    assert kept_in_memory is not None
    assert kept_in_memory.tolist() == read.tolist()
    assert read.nonzero()[0].tolist() == [1, 5, 7]


def test_texts_that_are_often_the_same_are_words(tmp_path: Path) -> None:
    batch = pa.record_batch({"few": ["a", None, "b"] * 10, "id": [f"d{i}" for i in range(30)]})
    table = added(Table.open_or_create(str(tmp_path / "w.lance"), batch.schema), batch)
    shown = ShownColumns(table, ["few", "id"], cache=Cache(ROOM))
    assert shown.words("few") is None
    shown.read()
    for _ in range(2):
        few, ids = shown.words("few"), shown.words("id")
        assert few is not None
        assert ids is not None
        assert (few.type, ids.type) == (pa.dictionary(pa.int32(), pa.string()), pa.string())
        assert few.to_pylist() == batch["few"].to_pylist()


TEXTS = st.lists(st.lists(st.none() | st.text(max_size=4), max_size=5), max_size=4)


@given(TEXTS, st.integers(0, 60))
@example([["a", None, ""], [], ["über"]], 400)
def test_texts_in_one_piece_are_those_of_the_parts(
    parts: list[list[str | None]], room: int
) -> None:
    whole = [text for part in parts for text in part]
    arrays = [pa.array(["before", *part, "after"], pa.string())[1:-1] for part in parts]
    found = texts_in_one(iter(arrays), len(whole), room)
    n_bytes = 4 * (len(whole) + 1) + sum(len((text or "").encode()) for text in whole)
    assert (found is not None) == (n_bytes <= room)
    if found is not None:
        found.validate(full=True)
        assert found.to_pylist() == whole
        assert found.null_count == whole.count(None)
        assert found[1:].to_pylist() == whole[1:]


def test_columns_of_any_kind_are_kept(tmp_path: Path) -> None:
    kinds = {
        "tags": pa.array([["a"], [], None, ["b", "c"]]),
        "meta": pa.array([{"year": 1}, None, {"year": None}, {"year": 4}]),
        "raw": pa.array([b"", None, b"x", b"yy"]),
        "long": pa.array(["a", None, "", "b"], pa.large_string()),
        "word": pa.array(["a", "b", None, "a"]).dictionary_encode(),
        "at": pa.array([1, 2, None, 4], pa.timestamp("us", "UTC")),
    }
    batch = pa.record_batch(kinds)
    table = Table.open_or_create(str(tmp_path / "k.lance"), batch.schema)
    for _ in range(2):
        table = added(table, batch)
    shown = kept(table, Cache(ROOM), list(kinds))
    docs = np.array([6, 1, 0], np.uint64)
    read = table.take(docs.tolist(), list(kinds))
    assert shown.take(docs, list(kinds)).to_pylist() == read.to_pylist()
    assert shown.find("meta") is not None
