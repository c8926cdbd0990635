"""A corpus whose columns change: wider, more or fewer; and whose documents are replaced."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saelake.store.documents.documents import Documents, import_documents
from saelake.store.errors import Conflict, CorpusError, InvalidInput, NotFound
from saelake.store.format.widening import converted
from saelake.store.growth.compact import compact
from saelake.store.growth.delete import delete_documents
from saelake.store.lake.lake import Lake
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table
from tests.store.documents.test_documents import Rows, contents, numbered, rows, strings
from tests.store.format.test_widening import ONE_TYPE, same, too_large, values


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def alive(lake: Lake) -> dict[str, dict[str, Any]]:
    """The documents that are there, by id: no two have one."""
    documents = Documents.open(lake, "c")
    found = [row for row in contents(lake, "c") if documents.is_alive(row["doc"])]
    assert len({row["id"] for row in found}) == len(found)
    return {row["id"]: row for row in found}


def column(lake: Lake, name: str) -> list[Any]:
    return [row[name] for row in contents(lake, "c")]


# -- columns


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_corpus_takes_the_types_that_hold_both(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lake = Lake(str(tmp_path_factory.mktemp("grown")))
    one, other, together = data.draw(st.sampled_from(ONE_TYPE))
    given_ = [data.draw(st.lists(values(kind), min_size=1, max_size=4)) for kind in (one, other)]
    arrays = [pa.array(v, kind) for v, kind in zip(given_, (one, other), strict=True)]
    first = numbered(len(arrays[0]), m=arrays[0])
    second = numbered(len(arrays[1]), start=10, m=arrays[1])
    import_documents(lake, "c", first)
    if together != pa.uint64() and any(map(too_large, [*given_[0], *given_[1]])):
        return  # refused, if one type holds it and the other does not: see below
    import_documents(lake, "c", second)
    assert Table.open(lake.documents("c")).schema.field("m").type == together
    expected = [*arrays[0].to_pylist(), *arrays[1].to_pylist()]
    assert all(map(same, expected, column(lake, "m")))


def test_a_column_more_is_null_before_and_one_fewer_after(lake: Lake) -> None:
    import_documents(lake, "c", numbered(2, a=pa.array([1, 2])))
    report = import_documents(lake, "c", numbered(1, start=2, b=strings(["x"])))
    assert report.notes == ("Column 'b' is new in c: documents from before have none.",)
    import_documents(lake, "c", numbered(1, start=3))
    assert column(lake, "a") == [1, 2, None, None]
    assert column(lake, "b") == [None, None, "x", None]
    assert Documents.open(lake, "c").metadata_columns == ["a", "b"]


def test_a_column_without_values_locks_nothing(lake: Lake) -> None:
    import_documents(lake, "c", numbered(2, m=pa.nulls(2)))
    import_documents(lake, "c", numbered(2, start=2, m=pa.array([1, 2], pa.int32())))
    report = import_documents(lake, "c", numbered(1, start=4, m=pa.array([0.5])))
    assert report.notes == ("Column 'm' of c was int32, and is double now.",)
    import_documents(lake, "c", numbered(1, start=5, m=pa.nulls(1)))
    assert column(lake, "m") == [None, None, 1, 2, 0.5, None]
    assert [row["doc"] for row in Table.open(lake.documents("c")).scan(["doc"], where="m > 0.7")]


def test_columns_that_change_are_one_commit_and_nothing_if_nothing_is_new(lake: Lake) -> None:
    import_documents(lake, "c", numbered(2, m=pa.array([1, 2], pa.int8())))
    before = Table.open(lake.documents("c"))
    import_documents(lake, "c", numbered(3, m=pa.array([1, 2, 3]), new=pa.array([1, 2, 3])))
    after = Table.open(lake.documents("c"))
    assert after.version == before.version + 1
    assert import_documents(lake, "c", numbered(3, m=pa.array([1.0, 2, 3]))).n_documents == 0
    assert Table.open(lake.documents("c")).version == after.version
    assert Table.open(lake.documents("c"), before.version).read(["m"])["m"].to_pylist() == [1, 2]
    assert before.read(["m"]).schema.field("m").type == pa.int8()  # who reads goes on


def test_a_source_that_fails_changes_no_column(lake: Lake) -> None:
    import_documents(lake, "c", numbered(2, m=pa.nulls(2)))
    bad = Rows(numbered(9, start=2, m=pa.array(range(9)), o=pa.array(range(9))).rows, fail_after=2)
    with pytest.raises(CorpusError, match="line 9"):
        import_documents(lake, "c", bad)
    assert Table.open(lake.documents("c")).schema.field("m").type == pa.null()
    assert Documents.open(lake, "c").metadata_columns == ["m"]


def test_integers_that_are_not_exact_are_refused_on_both_sides(lake: Lake) -> None:
    import_documents(lake, "c", numbered(1, m=pa.array([0.5]), o=pa.array([2**53 + 1])))
    with pytest.raises(CorpusError, match="'m' is int64 here and must be double"):
        import_documents(lake, "c", numbered(1, start=1, m=pa.array([2**53 + 1])))
    import_documents(lake, "d", numbered(1, m=pa.array([1])))
    with pytest.raises(CorpusError, match="'m' is uint64 here and must be int64"):
        import_documents(lake, "d", numbered(1, start=1, m=pa.array([2**63], pa.uint64())))
    with pytest.raises(CorpusError, match="c: column 'o' is int64 here and must be double"):
        import_documents(lake, "c", numbered(1, start=1, o=pa.array([0.5])))
    assert len(contents(lake, "c")) == 1


def test_the_words_that_are_indexed_stay_so(lake: Lake) -> None:
    import_documents(lake, "c", rows(["a", "b"], ["rain falls", "sun"], m=pa.nulls(2)))
    Table.open(lake.documents("c")).index_words("text")
    import_documents(lake, "c", rows(["d"], ["more rain"], m=pa.array([7]), n=pa.array([1])))
    table = Table.open(lake.documents("c"))
    assert table.has_words("text")
    found = table.search_words("text", "rain", 5, columns=["doc", "m"], where=None)
    assert dict(zip(found["doc"].to_pylist(), found["m"].to_pylist(), strict=True)) == {
        0: None,
        2: 7,
    }


def test_of_two_that_widen_at_once_one_says_so(lake: Lake) -> None:
    import_documents(lake, "c", numbered(1, m=pa.array([1], pa.int8())))

    def overtake(_: int) -> None:
        import_documents(lake, "c", numbered(1, start=1, m=pa.array([0.5])))

    late = numbered(1, start=2, m=pa.array([2**40]))
    with pytest.raises(Conflict, match="Run the same command again"):
        import_documents(lake, "c", late, on_progress=overtake)
    import_documents(lake, "c", late)
    assert column(lake, "m") == [1, 0.5, 2**40]


def test_a_commit_between_that_touches_no_document_is_no_conflict(lake: Lake) -> None:
    import_documents(lake, "c", numbered(1, m=pa.array([1], pa.int8())))
    index = Table.open(lake.documents("c")).index_words
    import_documents(
        lake, "c", numbered(1, start=1, m=pa.array([0.5])), on_progress=lambda _: index("text")
    )
    assert column(lake, "m") == [1, 0.5]


def test_racing_imports_that_widen_lose_nothing(lake: Lake) -> None:
    kinds = [pa.int8(), pa.int32(), pa.float64()]

    def run(worker: int) -> None:
        for part in range(3):
            m = pa.array([worker] * 5, kinds[worker])
            source = numbered(5, start=100 * worker + 5 * part, **{"m": m, f"c{worker}": m})
            while True:
                try:
                    import_documents(lake, "c", source)
                    break
                except Conflict:
                    continue

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, range(3)))
    found = alive(lake)
    assert len(found) == 45
    for name, row in found.items():
        worker = int(name[1:]) // 100
        others = [row.get(f"c{other}") for other in range(3) if other != worker]
        assert (row["m"], row[f"c{worker}"], others) == (worker, worker, [None, None])


def test_rows_of_before_a_column_changed_are_not_committed_after(lake: Lake) -> None:
    """A compaction that read the narrower column would leave nulls in the wider one."""
    import_documents(lake, "c", numbered(2, m=pa.array([1, 2], pa.int8())))
    table = Table.open(lake.documents("c"))
    draft = table.write(table.scan(table.schema.names))
    import_documents(lake, "c", numbered(1, start=2, m=pa.array([0.5])))
    with pytest.raises(Conflict, match="columns changed at the same time"):
        table.commit(lambda s: Change(add=draft, remove=(s.fragments[0].id,)))
    assert column(lake, "m") == [1, 2, 0.5]


def test_names_of_columns_are_of_all_kinds(lake: Lake) -> None:
    names = ["a b", "it's", '"q"', "é", "a", "A", "select", "n" * 200]
    import_documents(lake, "c", numbered(2, **{n: pa.array([1, None], pa.int8()) for n in names}))
    wider: dict[str, Any] = {}
    for i, name in enumerate(names):
        wider[name] = pa.array([0.5])
        import_documents(lake, "c", numbered(1, start=2 + i, **{name: pa.array([0.5])}))
    assert Documents.open(lake, "c").metadata_columns == names
    for i, name in enumerate(names):
        expected = [1, None, *(0.5 if j == i else None for j in range(len(names)))]
        assert column(lake, name) == expected
    fields = [Table.open(lake.documents("c")).schema.field(n).type for n in names]
    assert fields == [pa.float64()] * len(names)


def test_a_table_that_has_no_row_yet_takes_any_columns(lake: Lake) -> None:
    """As an import leaves it that was killed right before its documents came."""
    Table.open_or_create(
        lake.documents("c"),
        pa.schema(
            [("doc", pa.uint64()), ("id", pa.string()), ("text", pa.string()), ("m", pa.int8())]
        ),
    )
    import_documents(lake, "c", numbered(2, m=pa.array([0.5, 1]), o=strings("xy")))
    assert (column(lake, "m"), column(lake, "o")) == ([0.5, 1], ["x", "y"])


def test_an_evolution_without_rows(lake: Lake) -> None:
    import_documents(lake, "c", numbered(2, m=pa.array([1, 2], pa.int8())))
    table = Table.open(lake.documents("c"))
    at = table.schema.get_field_index("m")
    wider = table.schema.set(at, pa.field("m", pa.int64()))
    evolution = table.evolve(wider, lambda values, field: converted(values, field.type))
    after = table.commit(lambda _: Change(evolution=evolution))
    assert after.read(["m"])["m"].to_pylist() == [1, 2]
    after.verify()


# -- known ids


def test_known_ids_with_another_document_are_counted(lake: Lake) -> None:
    import_documents(lake, "c", rows(["a", "b", "d"], ["x", "y", "z"], m=pa.array([1, 2, 3])))
    source = rows(["a", "b", "d", "e"], ["x", "other", "z", "new"], m=pa.array([1, 2, 4, 5]))
    report = import_documents(lake, "c", source)
    assert report.reasons == {"id already in the corpus": 3}
    assert (report.n_documents, report.n_changed, report.n_updated) == (1, 2, 0)
    assert alive(lake)["b"]["text"] == "y"


@pytest.mark.parametrize("corpus_has", [{}, {"m": pa.array([float("nan"), None])}])
def test_the_same_document_is_no_other(lake: Lake, corpus_has: dict[str, pa.Array]) -> None:
    import_documents(lake, "c", numbered(2, **corpus_has))
    for choice in ("skip", "update", "fail"):
        report = import_documents(lake, "c", numbered(2, **corpus_has), on_duplicate=choice)
        assert (report.n_documents, report.n_changed, report.n_updated) == (0, 0, 0)


def test_update_replaces_what_differs_by_one_commit(lake: Lake) -> None:
    import_documents(lake, "c", rows(["a", "b", "d"], ["x", "y", "z"], m=pa.array([1, 2, 3])))
    old = Documents.open(lake, "c")
    source = rows(["a", "b", "d", "e", "b"], ["x", "Y", "z", "w", "?"], m=pa.array([1, 2, 4, 5, 6]))
    report = import_documents(lake, "c", source, on_duplicate="update")
    assert (report.n_documents, report.n_updated, report.n_changed) == (3, 2, 0)
    assert report.reasons == {"id already in the corpus": 2}
    found = alive(lake)
    assert {name: (row["text"], row["m"]) for name, row in found.items()} == {
        "a": ("x", 1),
        "b": ("Y", 2),
        "d": ("z", 4),
        "e": ("w", 5),
    }
    assert [row["doc"] for row in found.values()] == [0, 3, 4, 5]
    new = Documents.open(lake, "c")
    assert new.n_deleted == 2
    assert new.find("b") == 3
    assert new.metadata_columns == ["m"]
    assert new.tombstones.key != old.tombstones.key
    assert old.find("b") == 1  # a reader of before sees it as it was, at any time
    assert not old.is_current
    assert Table.find(lake.deleted("c")) is None  # no second commit, so none that can be missing
    again = import_documents(lake, "c", source, on_duplicate="update")
    assert (again.n_documents, again.n_updated) == (0, 0)  # of one id twice the first counts
    third = rows(["b"], ["third"], m=pa.array([9]))
    import_documents(lake, "c", third, on_duplicate="update")
    assert alive(lake)["b"]["text"] == "third"


def test_fail_refuses_another_document_and_says_which(lake: Lake) -> None:
    import_documents(lake, "c", rows(["a", "b"], ["x", "y"]))
    source = rows(["e", "a", "b"], ["w", "x", "other"])
    with pytest.raises(CorpusError, match=r"row 2: .*'b'.*--on-duplicate update") as caught:
        import_documents(lake, "c", source, on_duplicate="fail")
    assert caught.value.data["row"] == "2"
    assert set(alive(lake)) == {"a", "b"}
    assert import_documents(
        lake, "c", rows(["a", "e"], ["x", "w"]), on_duplicate="fail"
    ).n_documents
    with pytest.raises(InvalidInput, match="skip, update, fail"):
        import_documents(lake, "c", rows(["a"]), on_duplicate="replace")  # type: ignore[arg-type]


def test_update_also_replaces_at_places(lake: Lake) -> None:
    def source(*texts: str) -> Rows:
        made = rows([f"r:{i}" for i in range(len(texts))], texts)
        return Rows(made.rows, name="r", generated_ids=True)

    import_documents(lake, "c", source("one", "two"))
    import_documents(lake, "c", source("one", "other"), on_duplicate="update")
    assert {row["text"] for row in alive(lake).values()} == {"one", "other"}


def test_what_was_replaced_stays_so_when_its_successor_is_deleted_and_compacted(lake: Lake) -> None:
    import_documents(lake, "c", rows(["a", "b"], ["x", "y"]))
    import_documents(lake, "c", rows(["a"], ["new"]), on_duplicate="update")
    delete_documents(lake, "c", ids=["a"])
    for _ in range(2):
        assert set(alive(lake)) == {"b"}
        with pytest.raises(NotFound):
            Documents.open(lake, "c").find("a")
        compact(lake, "c")
    assert [row["text"] for row in contents(lake, "c")] == ["", "y", ""]
    import_documents(lake, "c", rows(["a"], ["free again"]))
    assert alive(lake)["a"]["text"] == "free again"


def test_a_deleted_document_is_replaced_by_nothing(lake: Lake) -> None:
    import_documents(lake, "c", rows(["a", "b"], ["x", "y"]))
    delete_documents(lake, "c", ids=["a"])
    report = import_documents(lake, "c", rows(["a"], ["new"]), on_duplicate="update")
    assert (report.n_documents, report.n_updated) == (1, 0)
    assert alive(lake)["a"]["doc"] == 2


def test_updates_equal_a_dictionary(lake: Lake) -> None:
    """Random updates against the plainest twin: a dict of id to text."""
    random = np.random.default_rng(3)
    expected: dict[str, str] = {}
    for step in range(12):
        ids = [f"d{i}" for i in random.permutation(30)[:10]]
        texts = [f"text {random.integers(3)}" for _ in ids]
        source = rows(ids, texts, **({"m": pa.array([step] * 10)} if step > 5 else {}))
        import_documents(lake, "c", source, on_duplicate="update")
        expected.update(zip(ids, texts, strict=True))
    assert {name: row["text"] for name, row in alive(lake).items()} == expected
