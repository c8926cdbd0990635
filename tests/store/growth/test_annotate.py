"""Columns that come after the documents: as a dict of each document says, whatever else happens."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saelake.store.arrays.cache import Cache
from saelake.store.documents.added import added_columns
from saelake.store.documents.documents import Documents, SourceBatch, import_documents
from saelake.store.errors import Conflict, CorpusError, InvalidInput, NotFound
from saelake.store.growth.annotate import annotate, drop_column
from saelake.store.growth.clean_up import clean_up
from saelake.store.growth.compact import compact
from saelake.store.growth.delete import delete_documents
from saelake.store.lake.lake import Lake
from saelake.store.lake.tags import make_tag
from saelake.store.reports import AnnotateReport
from saelake.store.tables.tables import Table
from tests.store.documents.test_documents import Rows, contents, numbered, strings

FIXTURE = [HealthCheck.function_scoped_fixture]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(str(tmp_path / "lake"))
    import_documents(made, "c", numbered(6, label=strings(list("aabbcc"))))
    return made


def put(lake: Lake, values: dict[str, Any], column: str = "v", **options: Any) -> AnnotateReport:
    rows = pa.table({"id": pa.array(values, pa.string()), column: list(values.values())})
    return annotate(lake, "c", rows, **options)


def column(lake: Lake, name: str = "v") -> dict[str, Any]:
    """What each document that is there has."""
    documents = Documents.open(lake, "c")
    found = [row for row in contents(lake, "c") if documents.is_alive(row["doc"])]
    return {row["id"]: row.get(name) for row in found}


def ids(rows: Rows) -> list[str]:
    return [name for batch in rows.batches() for name in batch.rows["id"].to_pylist()]


def kept(lake: Lake, where: str) -> list[int]:
    mask = Documents.open(lake, "c").filters.mask(where)
    assert mask is not None
    return list(np.flatnonzero(mask))


@pytest.mark.parametrize(
    "values", [[True, None, False], [1, -5, None], [0.5, None, -1.0], ["é", ""]]
)
def test_values_are_set_and_others_are_null(lake: Lake, values: list[Any]) -> None:
    named = list(column(lake))
    report = put(lake, dict(zip(named, values, strict=False)))
    assert (report.new, report.n_documents) == (("v",), len(values))
    assert list(column(lake).values()) == [*values, *[None] * (6 - len(values))]
    assert column(lake, "label") == dict(zip(named, "aabbcc", strict=True))


def test_what_is_set_again_is_replaced_and_the_rest_stays(lake: Lake) -> None:
    one, two, three, *_ = column(lake)
    put(lake, {one: "x", two: "y"})
    before = Table.open(lake.documents("c"))
    put(lake, {two: None, three: "z"})
    assert list(column(lake).values())[:3] == ["x", None, "z"]
    assert before.read(["v"])["v"].to_pylist()[:3] == ["x", "y", None]  # as it was


def test_set_twice_is_set_once(lake: Lake) -> None:
    values = dict.fromkeys(column(lake), 1)
    put(lake, values, about="why")
    version = Table.open(lake.documents("c")).version
    assert put(lake, values, about="why").n_documents == 6
    assert put(lake, values).new == ()
    assert Table.open(lake.documents("c")).version == version
    assert added_columns(Table.open(lake.documents("c")).schema)["v"].about == "why"


def test_several_columns_come_by_one_commit(lake: Lake) -> None:
    version = Table.open(lake.documents("c")).version
    rows = pa.table({"doc": pa.array([3, 1], pa.uint64()), "a": [True, False], "b": ["x", None]})
    annotate(lake, "c", rows)
    assert Table.open(lake.documents("c")).version == version + 1
    assert [row["a"] for row in contents(lake, "c")] == [None, False, None, True, None, None]
    assert [row["b"] for row in contents(lake, "c")] == [None, None, None, "x", None, None]


def test_a_filter_sees_the_new_values_though_columns_are_in_memory(lake: Lake) -> None:
    cache, named = Cache(1 << 28), list(column(lake))
    put(lake, dict.fromkeys(named, 1))

    def matching() -> int:
        documents = Documents.open(lake, "c", cache)
        documents._shown.read()
        assert documents._shown.find("v") is not None
        assert documents._shown.find("text") is not None
        mask = documents.filters.mask("v = 1")
        assert mask is not None
        shown = documents.take(np.arange(len(mask), dtype=np.uint64), ["v"])["v"].to_pylist()
        assert [value == 1 for value in shown] == list(mask)
        return int(mask.sum())

    assert matching() == 6
    put(lake, {named[0]: 2, named[4]: None})
    assert matching() == 4
    import_documents(lake, "c", numbered(2, start=10))
    assert matching() == 4
    drop_column(lake, "c", "v")
    put(lake, {named[2]: 1})
    assert matching() == 1


def test_texts_are_kept_in_memory_when_a_column_changes(lake: Lake) -> None:
    cache = Cache(1 << 28)
    first = Documents.open(lake, "c", cache)
    first._shown.read()
    put(lake, dict.fromkeys(column(lake), 1))
    after = Documents.open(lake, "c", cache)
    assert after._shown.find("text") is first._shown.find("text")
    assert after._shown.find("v") is None


def test_no_text_is_written_again(lake: Lake) -> None:
    words = strings([f"{i} " + "w" * 10_000 for i in range(500)])
    texts = {"id": strings([str(i) for i in range(500)]), "text": words}
    import_documents(lake, "long", Rows(pa.RecordBatch.from_pydict(texts)))
    before = Table.open(lake.documents("long"))
    rows = pa.table({"id": [str(i) for i in range(0, 500, 7)], "v": [True] * 72})
    annotate(lake, "long", rows)
    after = Table.open(lake.documents("long"))
    assert after.size_bytes - before.size_bytes < 2000 < 5_000_000 < before.size_bytes
    assert after.column_files["text"] == before.column_files["text"]


def test_a_column_of_the_import_is_not_overwritten_silently(lake: Lake) -> None:
    one = next(iter(column(lake)))
    with pytest.raises(Conflict, match=r"came with its documents.*--replace-imported"):
        put(lake, {one: "z"}, "label")
    put(lake, {one: "z"}, "label", replace_imported=True)
    assert list(column(lake, "label").values()) == list("zabbcc")
    with pytest.raises(Conflict, match="came with its documents"):
        put(lake, {one: "y"}, "label")
    with pytest.raises(Conflict, match="--imported"):
        drop_column(lake, "c", "label")
    assert drop_column(lake, "c", "label", imported=True).was_there
    assert "label" not in Table.open(lake.documents("c")).schema.names


def test_a_column_is_dropped_and_made_again_of_another_type(lake: Lake) -> None:
    one, two, *_ = column(lake)
    put(lake, {one: 1, two: 2})
    put(lake, {one: "a"}, "w")
    make_tag(lake, "before")
    assert drop_column(lake, "c", "v").was_there
    assert not drop_column(lake, "c", "v").was_there
    put(lake, {two: "text"})
    assert list(column(lake).values())[:3] == [None, "text", None]
    assert column(lake, "w")[one] == "a"
    clean_up(lake, older_than=timedelta(), unverified=True)
    then = Documents.open(Lake(lake.uri, "before"), "c")
    assert then.take(np.arange(2, dtype=np.uint64), ["v"])["v"].to_pylist() == [1, 2]
    assert list(added_columns(Table.open(lake.documents("c")).schema)) == ["w", "v"]


def test_an_imported_column_that_was_compacted_goes_without_a_trace(lake: Lake) -> None:
    """Its values are in one file with those of the others."""
    one = next(iter(column(lake)))
    put(lake, {one: 7})
    import_documents(lake, "c", numbered(2, start=10))
    compact(lake, "c")
    drop_column(lake, "c", "v")
    put(lake, {one: "x"}, "u")
    assert column(lake, "u")[one] == "x"
    assert set(column(lake, "u").values()) == {"x", None}
    put(lake, {one: "y"}, "v")
    assert (column(lake, "u")[one], column(lake)[one]) == ("x", "y")


def test_rows_of_no_document_are_refused_or_counted(lake: Lake) -> None:
    one = next(iter(column(lake)))
    with pytest.raises(NotFound, match=r"no document 'nope': 1 of 2 rows"):
        put(lake, {one: 1, "nope": 2})
    assert "v" not in Table.open(lake.documents("c")).schema.names
    report = put(lake, {one: 1, "nope": 2}, known_only=True)
    assert (report.n_documents, report.n_unknown, report.unknown) == (1, 1, ("nope",))
    delete_documents(lake, "c", ids=[one])
    assert put(lake, {one: 5}, known_only=True).n_unknown == 1
    with pytest.raises(NotFound, match="no corpus"):
        annotate(lake, "d", pa.table({"id": ["x"], "v": [1]}))
    moved = pa.table({"id": ["other"], "doc": pa.array([2], pa.uint64()), "v": [1]})
    assert annotate(lake, "c", moved, known_only=True).n_unknown == 1
    far = pa.table({"doc": pa.array([2**64 - 1, 6], pa.uint64()), "v": [1, 2]})
    assert annotate(lake, "c", far, known_only=True).n_unknown == 2


REFUSED: dict[str, tuple[pa.Table, str]] = {
    "own": (pa.table({"id": ["d0"], "text": ["x"]}), "saelake's own"),
    "replaces": (pa.table({"id": ["d0"], "_replaces": [1]}), "saelake's own"),
    "lance": (pa.table({"id": ["d0"], "_rowid": [1]}), "cannot be called so"),
    "dot": (pa.table({"id": ["d0"], "a.b": [1]}), "cannot be called so"),
    "tick": (pa.table({"id": ["d0"], "a`b": [1]}), "cannot be called so"),
    "nothing": (pa.table({"id": ["d0"], "": [1]}), "cannot be called so"),
    "zero": (pa.table({"id": ["d0"], "a\0": [1]}), "cannot be called so"),
    "long": (pa.table({"id": ["d0"], "a" * 300: [1]}), "longer"),
    "ours": (pa.table({"id": ["d0"], "saelake wider v": [1]}), "saelake's own"),
    "case": (pa.table({"id": ["d0"], "Label": ["x"]}), "take for 'Label'"),
    "no values": (pa.table({"id": ["d0"]}), "beside `id`"),
    "no key": (pa.table({"v": [1]}), "beside `id`"),
    "twice": (pa.table({"id": ["d0", "d0"], "v": [1, 2]}), "two values"),
    "null id": (pa.table({"id": ["d0", None], "v": [1, 2]}), "names no document"),
    "numbers": (pa.table({"id": [1], "v": [1]}), "Ids are texts"),
    "doc": (pa.table({"doc": [-1], "v": [1]}), "Numbers of documents"),
    "list": (pa.table({"id": ["d0"], "v": [[1]]}), "truths, whole"),
    "nulls": (pa.table({"id": ["d0"], "v": pa.nulls(1)}), "all its values are null"),
    "huge": (pa.table({"id": ["d0"], "v": pa.array([2**63], pa.uint64())}), "are no int64"),
    "text": (pa.table({"id": ["d0"], "v": ["x" * 40_000]}), "40,000 characters"),
    "two": (pa.table([["d0"], [1], [2]], names=["id", "v", "v"]), "two columns"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_column_can_be_is_refused(lake: Lake, case: str) -> None:
    rows, said = REFUSED[case]
    before = Table.open(lake.documents("c")).version
    with pytest.raises((InvalidInput, CorpusError), match=said):
        annotate(lake, "c", rows)
    assert Table.open(lake.documents("c")).version == before


def test_values_of_another_type_are_refused_unless_they_fit(lake: Lake) -> None:
    one, two, *_ = column(lake)
    put(lake, {one: 1})
    put(lake, {two: 2.0})
    assert column(lake)[two] == 2
    for wrong in (0.5, "3", True):
        with pytest.raises(InvalidInput, match="type int64"):
            put(lake, {two: wrong})


def test_an_import_brings_values_of_the_column_or_nulls(lake: Lake) -> None:
    put(lake, dict.fromkeys(column(lake), True))
    import_documents(lake, "c", numbered(1, start=10))
    import_documents(lake, "c", numbered(1, start=20, v=pa.array([False])))
    assert list(column(lake).values()) == [*[True] * 6, None, False]
    with pytest.raises(CorpusError, match="no type holds both"):
        import_documents(lake, "c", numbered(1, start=30, v=strings(["x"])))
    assert kept(lake, "v") == list(range(6))


def test_an_import_goes_on_though_values_come_meanwhile(lake: Lake) -> None:
    """It is told of another column only as it commits, and has no values of it."""
    named = list(column(lake))
    slow = _Meanwhile(numbered(2, start=10, label=strings("xy")), lambda: put(lake, {named[0]: 3}))
    assert import_documents(lake, "c", slow).n_documents == 2
    assert list(column(lake).values()) == [3, *[None] * 7]
    assert list(column(lake, "label").values()) == list("aabbccxy")


@pytest.mark.parametrize("brings", ["v", "w"])
def test_an_import_with_columns_of_its_own_begins_again(lake: Lake, brings: str) -> None:
    named = list(column(lake))
    source = numbered(2, start=10, **{brings: strings("xy")})
    with pytest.raises(Conflict, match="Run the same command again"):
        import_documents(lake, "c", _Meanwhile(source, lambda: put(lake, {named[0]: 3})))
    assert list(column(lake).values()) == [3, *[None] * 5]


def test_an_import_does_not_take_one_column_for_another(lake: Lake) -> None:
    """A column that goes may leave its number in files to one that comes."""
    named = list(column(lake))
    put(lake, {named[0]: 3})

    def other() -> None:
        drop_column(lake, "c", "v")
        put(lake, {named[0]: 4}, "w")

    with pytest.raises(Conflict):
        import_documents(lake, "c", _Meanwhile(numbered(1, start=10, v=pa.array([9])), other))
    assert set(column(lake, "w").values()) == {4, None}


class _Meanwhile:
    """Rows of a source; something else is done once they were read."""

    generated_ids = False

    def __init__(self, rows: Rows, work: Callable[[], object]) -> None:
        self.name, self.schema = rows.name, rows.schema
        self._rows, self._work = rows, work

    def batches(self) -> Iterator[SourceBatch]:
        yield from self._rows.batches()
        self._work()


def test_compacting_keeps_values_with_their_documents(lake: Lake) -> None:
    for start in (10, 20):
        import_documents(lake, "c", numbered(3, start=start))
    named = list(column(lake))
    put(lake, {name: i for i, name in enumerate(named) if i % 2})
    delete_documents(lake, "c", ids=[named[1], named[7]])
    expected = column(lake)
    compact(lake, "c")
    assert column(lake) == expected
    put(lake, {named[3]: 100})
    assert column(lake) == {**expected, named[3]: 100}
    compact(lake, "c")
    clean_up(lake, older_than=timedelta(), unverified=True)
    assert column(lake) == {**expected, named[3]: 100}


def test_compacting_what_changes_meanwhile_loses_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_documents(lake, "c", numbered(3, start=10))
    named = list(column(lake))
    put(lake, {named[0]: 1})
    write, is_first = Table.write, True

    def slow(self: Table, *args: Any, **options: Any) -> Any:
        nonlocal is_first
        draft = write(self, *args, **options)
        if is_first:
            is_first = False
            put(lake, {named[0]: 2})
        return draft

    monkeypatch.setattr(Table, "write", slow)
    with pytest.raises(Conflict, match="same time"):
        compact(lake, "c")
    monkeypatch.undo()
    compact(lake, "c")
    assert column(lake) == {**dict.fromkeys(named), named[0]: 2}


def test_many_at_once_lose_nothing(lake: Lake) -> None:
    named = list(column(lake))

    def work(i: int) -> None:
        if i % 4 == 3:
            import_documents(lake, "c", numbered(1, start=100 + i))
        else:
            put(lake, {named[i % 6]: i}, f"v{i}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(_retried(work), range(12)))
    assert len(column(lake)) == 9
    for i in (i for i in range(12) if i % 4 != 3):
        assert column(lake, f"v{i}")[named[i % 6]] == i


def _retried(work: Callable[[int], None]) -> Callable[[int], None]:
    def again(i: int) -> None:
        while True:
            try:
                return work(i)
            except Conflict:
                continue

    return again


VALUES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))
PUT = st.dictionaries(st.integers(0, 30), VALUES, min_size=1)
STEP = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("vw"), PUT),
    st.tuples(st.just("drop"), st.sampled_from("vw"), st.none()),
    st.tuples(st.just("bring"), st.sampled_from("vw"), st.integers(1, 3)),
    st.tuples(st.just("delete"), st.just("v"), st.integers(0, 30)),
    st.tuples(st.just("compact"), st.just("v"), st.none()),
)


class Twin:
    """A corpus, and a dict of what each of its documents has in each column."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.docs: list[str] = []
        self.has: dict[str, dict[str, int | None]] = {}
        self._came(numbered(4), None)

    def put(self, name: str, more: dict[int, int | None]) -> None:
        chosen = {self.docs[i % len(self.docs)]: value for i, value in more.items()}
        values = {k: v for k, v in chosen.items() if k in self.has}
        if values and (name in self._columns() or set(values.values()) != {None}):
            put(self.lake, values, name, replace_imported=True)
            for k, v in values.items():
                self.has[k][name] = v

    def drop(self, name: str, _: None) -> None:
        drop_column(self.lake, "c", name, imported=True)
        for known in self.has.values():
            known.pop(name, None)

    def bring(self, name: str, n: int) -> None:
        numbers = pa.array(range(n), pa.int64())
        self._came(numbered(n, start=len(self.docs), **{name: numbers}), name)

    def delete(self, _: str, number: int) -> None:
        gone = self.docs[number % len(self.docs)]
        if gone in self.has and len(self.has) > 1:
            delete_documents(self.lake, "c", ids=[gone])
            del self.has[gone]

    def compact(self, _: str, __: None) -> None:
        compact(self.lake, "c")

    def _columns(self) -> list[str]:
        return list(Table.open(self.lake.documents("c")).schema.names)

    def _came(self, source: Rows, name: str | None) -> None:
        import_documents(self.lake, "c", source)
        for i, k in enumerate(ids(source)):
            self.docs.append(k)
            self.has[k] = {name: i} if name else {}


@settings(deadline=None, max_examples=30, suppress_health_check=FIXTURE)
@given(st.lists(STEP, max_size=9))
def test_all_is_as_a_dict_says(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, Any]]
) -> None:
    twin = Twin(Lake(str(tmp_path_factory.mktemp("twin"))))
    for what, name, more in steps:
        getattr(twin, what)(name, more)
        for each in "vw":
            found = column(twin.lake, each)
            assert found == {k: known.get(each) for k, known in twin.has.items()}
    Table.open(twin.lake.documents("c")).verify()
