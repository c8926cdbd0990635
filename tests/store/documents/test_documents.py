import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.store.documents.documents import Documents, SourceBatch, import_documents
from saelake.store.documents.scratch import Scratch
from saelake.store.documents.screening import faults
from saelake.store.errors import Conflict, CorpusError, InvalidInput, NotFound
from saelake.store.format.schema import SKIPPED_COLUMNS
from saelake.store.lake.lake import Lake
from saelake.store.reports import ImportReport
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table, read

NOT_UTF8 = b"caf\xe9"


@dataclass(frozen=True)
class Rows:
    """A source of rows that are there already; `fail_after` batches it cannot be read."""

    rows: pa.RecordBatch
    name: str = "rows.jsonl"
    generated_ids: bool = False
    batch_rows: int = 3
    fail_after: int | None = None

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([f for f in self.rows.schema if f.name not in ("id", "text")])

    def batches(self) -> Iterator[SourceBatch]:
        for n, first in enumerate(range(0, self.rows.num_rows, self.batch_rows)):
            if n == self.fail_after:
                raise CorpusError("rows.jsonl, line 9: this is not JSON", line=9)
            rows = self.rows.slice(first, self.batch_rows)
            yield SourceBatch(file=self.name, first_row=first, rows=rows)


def strings(values: Sequence[str | bytes | None]) -> pa.Array:
    """A string array that may hold bytes that are not UTF-8."""
    raw = [v.encode() if isinstance(v, str) else v for v in values]
    return pa.array(raw, pa.binary()).cast(pa.string(), safe=False)


def rows(ids: Sequence[Any], texts: Sequence[Any] | None = None, **metadata: Any) -> Rows:
    texts = [f"text of {name}" for name in ids] if texts is None else texts
    columns = {"id": strings(ids), "text": strings(texts), **metadata}
    return Rows(pa.RecordBatch.from_pydict(columns))


def numbered(n: int, start: int = 0, **metadata: Any) -> Rows:
    return rows([f"d{i}" for i in range(start, start + n)], **metadata)


def contents(lake: Lake, corpus: str) -> list[dict[str, Any]]:
    documents = Documents.open(lake, corpus)
    listed = documents.take(np.arange(documents.n_documents, dtype=np.uint64), ["doc", "id"])
    assert listed["doc"].to_pylist() == list(range(documents.n_documents))
    rows = pa.Table.from_batches(documents.table.scan(documents.table.schema.names))
    found: list[dict[str, Any]] = rows.to_pylist()
    return found


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


# -- import


def test_documents_are_numbered_in_order_and_keep_their_columns(lake: Lake) -> None:
    year = pa.array([1999, None, 2001, 2002], pa.int16())
    report = import_documents(lake, "films", numbered(4, year=year))
    assert report == ImportReport(
        corpus="films", n_documents=4, n_skipped=0, reasons={}, first_doc=0
    )
    documents = Documents.open(lake, "films")
    assert documents.metadata_columns == ["year"]
    assert documents.table.schema.field("year").type == pa.int16()
    assert documents.table.schema.metadata == {b"saelake:format": b"1"}
    assert contents(lake, "films")[1:3] == [
        {"doc": 1, "id": "d1", "text": "text of d1", "year": None},
        {"doc": 2, "id": "d2", "text": "text of d2", "year": 2001},
    ]
    assert lake.tables() == ["films"]  # no table of skips where nothing was skipped


def test_appending_goes_on_with_the_numbers_and_fills_missing_columns(lake: Lake) -> None:
    year, nothing = pa.array([1, 2], pa.int64()), pa.nulls(1)
    import_documents(lake, "films", numbered(2, year=year, note=strings(["a", "b"])))
    report = import_documents(lake, "films", numbered(3, start=2))
    assert (report.first_doc, report.n_documents) == (2, 3)
    import_documents(lake, "films", numbered(1, start=5, year=nothing, note=strings(["c"])))
    found = contents(lake, "films")
    assert [row["year"] for row in found] == [1, 2, None, None, None, None]
    assert [row["note"] for row in found] == ["a", "b", None, None, None, "c"]


def test_types_that_lose_values_do_not_fit_a_corpus(lake: Lake) -> None:
    import_documents(lake, "films", numbered(1, year=pa.array([1])))
    with pytest.raises(CorpusError) as caught:
        import_documents(lake, "films", numbered(1, start=1, year=strings(["1999"])))
    words = ["'year'", "string", "int64", "films", "another corpus"]
    assert all(word in str(caught.value) for word in words)
    assert len(contents(lake, "films")) == 1


@pytest.mark.parametrize("corpus", ["dictionaries", "a--b", "", "a/b"])
def test_names_that_a_corpus_cannot_have(lake: Lake, corpus: str) -> None:
    with pytest.raises(InvalidInput):
        import_documents(lake, corpus, numbered(1))


def test_progress_counts_the_rows_read(lake: Lake) -> None:
    seen: list[int] = []
    import_documents(lake, "c", rows(["a", None, "b", "c"]), on_progress=seen.append)
    assert seen == [3, 4]


# -- rows that cannot be documents


def test_each_fault_is_counted_and_recorded(lake: Lake) -> None:
    kind = pa.list_(pa.struct([("tag", pa.string())]))
    tags: pa.Array = pa.array([[{"tag": "ok"}]] * 9, kind)
    broken_tag = pa.StructArray.from_arrays([strings([NOT_UTF8])], ["tag"])
    tags = pa.concat_arrays([tags, pa.ListArray.from_arrays([0, 1], broken_tag)])
    source = rows(
        ["a", "b", "c", "d", None, " ", b"\xff", "a", "e", "f"],
        ["fine", None, "", "\u2003\n", "x", "x", "x", "x", NOT_UTF8, "x"],
        tags=tags,
    )
    report = import_documents(lake, "c", source)
    assert report.n_documents == 1
    assert report.reasons == {
        "no text": 1,
        "empty text": 2,
        "no id": 2,
        "invalid UTF-8": 3,
        "duplicate id": 1,
    }
    assert report.n_skipped == 9 == Documents.open(lake, "c").n_skipped
    skipped = read(lake.skipped("c"))
    assert skipped.schema.equals(SKIPPED_COLUMNS)
    columns = skipped.select(["row", "id", "reason"]).to_pydict().values()
    assert list(zip(*columns, strict=True)) == [
        (1, "b", "no text"),
        (2, "c", "empty text"),
        (3, "d", "empty text"),
        (4, None, "no id"),
        (5, " ", "no id"),
        (6, "\ufffd", "invalid UTF-8"),
        (7, "a", "duplicate id"),
        (8, "e", "invalid UTF-8"),
        (9, "f", "invalid UTF-8"),
    ]
    assert set(skipped["source"].to_pylist()) == {"rows.jsonl"}
    assert set(skipped["first_doc"].to_pylist()) == {0}


def fault(id_: bytes | None, text: bytes | None, note: bytes | None) -> str:
    """What `screening.faults` says of a row, by looking at the row."""
    try:
        name, words, _ = (v if v is None else v.decode() for v in (id_, text, note))
    except UnicodeDecodeError:
        return "invalid UTF-8"
    if words is None:
        return "no text"
    if not words.strip():
        return "empty text"
    return "" if name and name.strip() else "no id"


values = st.one_of(
    st.none(),
    st.sampled_from(
        [b"", b" ", b"\t\n", NOT_UTF8, "\xa0\u3000".encode(), b"a\0b", b"\xed\xa0\x80"]
    ),
    st.text(max_size=3).map(lambda text: text.encode()),
)


@given(st.lists(st.tuples(values, values, values), max_size=9), st.integers(0, 4))
def test_faults_equal_those_found_row_by_row(
    table: list[tuple[bytes | None, bytes | None, bytes | None]], offset: int
) -> None:
    columns = [strings([row[i] for row in table]) for i in range(3)]
    note = pa.StructArray.from_arrays([columns[2]], ["x"])
    batch = pa.record_batch([*columns[:2], note], names=["id", "text", "note"])
    expected = [fault(*row) for row in table]
    assert faults(batch.slice(offset)).tolist() == expected[offset:]


@given(st.lists(st.lists(st.sampled_from(["", "a", "b", "c", "a\0", "A", "é", "e\u0301"]))))
def test_claims_equal_those_of_a_dictionary(batches: list[list[str]]) -> None:
    owners: dict[str, int] = {}
    n_claims = 0
    with Scratch() as scratch:
        for ids in batches:
            claimants = range(n_claims, n_claims + len(ids))
            expected = [owners.setdefault(i, c) for i, c in zip(ids, claimants, strict=True)]
            assert scratch.claim(ids, claimants) == expected
            n_claims += len(ids)


def test_a_value_that_its_type_does_not_allow_is_a_fault() -> None:
    half_day = pa.array([0, 1], pa.int64()).view(pa.date64())
    batch = pa.record_batch([strings("ab"), strings("xy"), half_day], names=["id", "text", "d"])
    assert faults(batch).tolist() == ["", "invalid value"]


@pytest.mark.parametrize(
    ("source", "words"),
    [(rows([], []), "no rows"), (rows(["a", "b", "c"], ["", None, " "]), "2 × empty text, 1 × no")],
)
def test_a_source_without_documents_is_an_error(lake: Lake, source: Rows, words: str) -> None:
    with pytest.raises(CorpusError, match=words):
        import_documents(lake, "c", source)
    assert_absent(lake)


def assert_absent(lake: Lake) -> None:
    with pytest.raises(NotFound, match="no corpus 'c'"):
        Documents.open(lake, "c")
    for uri in (lake.documents("c"), lake.skipped("c")):
        with pytest.raises(NotFound):
            Table.open(uri)


# -- the same rows again


def test_importing_again_changes_nothing(lake: Lake) -> None:
    source = rows(["a", "b", "c", None, "a"])
    import_documents(lake, "c", source)
    before = {uri: Table.open(uri).version for uri in (lake.documents("c"), lake.skipped("c"))}
    report = import_documents(lake, "c", source)
    assert report.n_documents == 0
    assert report.reasons == {"id already in the corpus": 4, "no id": 1}
    assert before == {uri: Table.open(uri).version for uri in before}


def test_only_the_new_rows_of_a_grown_source_are_added(lake: Lake) -> None:
    import_documents(lake, "c", numbered(4))
    report = import_documents(lake, "c", numbered(7))
    assert (report.first_doc, report.n_documents, report.n_skipped) == (4, 3, 4)
    assert [row["id"] for row in contents(lake, "c")] == [f"d{i}" for i in range(7)]
    assert Documents.open(lake, "c").n_skipped == 4


def test_another_text_at_the_place_of_a_generated_id_is_an_error(lake: Lake) -> None:
    def source(*texts: str) -> Rows:
        made = rows([f"r:{i}" for i in range(len(texts))], texts)
        return Rows(made.rows, name="r", generated_ids=True)

    import_documents(lake, "c", source("one", "", "three"))
    assert import_documents(lake, "c", source("one", "", "three", "four")).n_documents == 1
    with pytest.raises(CorpusError, match=r"r, row 2: .*--id-column"):
        import_documents(lake, "c", source("one", "two", "other", "four", "five"))
    assert [row["id"] for row in contents(lake, "c")] == ["r:0", "r:2", "r:3"]


# -- all or nothing


def test_a_source_that_fails_leaves_nothing(lake: Lake) -> None:
    bad = Rows(numbered(9, score=pa.array(range(9))).rows, fail_after=2)
    with pytest.raises(CorpusError, match="line 9") as caught:
        import_documents(lake, "c", bad)
    assert caught.value.data == {"line": "9"}
    assert_absent(lake)
    # The repaired source may have other types: no table was left behind to contradict it.
    import_documents(lake, "c", numbered(9, score=strings("ababababa")))
    with pytest.raises(CorpusError, match="line 9"):
        import_documents(lake, "c", Rows(numbered(9, start=9).rows, fail_after=2))
    assert len(contents(lake, "c")) == 9


def test_records_of_an_import_that_never_ended_do_not_count(lake: Lake) -> None:
    import_documents(lake, "c", rows(["a", None]))
    skipped = Table.open(lake.skipped("c"))
    row = {"source": "x", "row": 0, "id": "x", "reason": "no text", "first_doc": 1}
    stale = skipped.write([pa.RecordBatch.from_pylist([row], schema=SKIPPED_COLUMNS)])
    skipped.commit(lambda _: Change(add=stale))
    assert Documents.open(lake, "c").n_skipped == 1
    import_documents(lake, "c", rows(["b"]))
    assert Documents.open(lake, "c").n_skipped == 1
    import_documents(lake, "c", rows(["c", None, None]))
    assert Documents.open(lake, "c").n_skipped == 3
    assert read(lake.skipped("c"))["first_doc"].to_pylist() == [0, 2, 2]


@pytest.mark.parametrize("corpus_exists", [False, True])
def test_an_import_that_is_overtaken_is_a_conflict(lake: Lake, corpus_exists: bool) -> None:
    if corpus_exists:
        import_documents(lake, "c", numbered(1))
    source, other = rows(["x", None, "y"]), rows(["x", "z"])

    def overtake(_: int) -> None:
        import_documents(lake, "c", other)

    with pytest.raises(Conflict, match="Run the same command again"):
        import_documents(lake, "c", source, on_progress=overtake)
    report = import_documents(lake, "c", source)
    assert report.reasons == {"no id": 1, "id already in the corpus": 1}
    assert Counter(row["id"] for row in contents(lake, "c")) == Counter(
        ["d0"] * corpus_exists + ["x", "z", "y"]
    )


def test_racing_imports_lose_and_double_nothing(lake: Lake) -> None:
    def run(worker: int) -> None:
        for part in range(3):
            source = numbered(20, start=100 * worker + 20 * part)
            while True:
                try:
                    import_documents(lake, "c", source)
                    break
                except Conflict:
                    continue

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, range(3)))
    expected = [f"d{100 * worker + i}" for worker in range(3) for i in range(60)]
    assert sorted(row["id"] for row in contents(lake, "c")) == sorted(expected)


KILLED = """
    import sys, pyarrow as pa
    from saelake.store.documents.documents import SourceBatch, import_documents
    from saelake.store.lake.lake import Lake

    class Endless:
        name, schema, generated_ids = "endless", pa.schema([]), False

        def batches(self):
            for first in range(0, 10**9, 500):
                ids = [f"e{i}" for i in range(first, first + 500)]
                columns = {"id": ids, "text": [x * 50 for x in ids]}
                rows = pa.RecordBatch.from_pydict(columns)
                yield SourceBatch(file="endless", first_row=first, rows=rows)

    import_documents(
        Lake(sys.argv[1]), "c", Endless(), on_progress=lambda n: print(n, flush=True)
    )
"""


@pytest.mark.parametrize("corpus_exists", [False, True])
def test_a_killed_import_leaves_nothing_visible(lake: Lake, corpus_exists: bool) -> None:
    if corpus_exists:
        import_documents(lake, "c", numbered(2))
    command = [sys.executable, "-c", textwrap.dedent(KILLED), lake.uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while int(process.stdout.readline()) < 50_000:
            pass
        os.kill(process.pid, signal.SIGKILL)
    if corpus_exists:
        assert len(contents(lake, "c")) == 2
    else:
        assert_absent(lake)
    import_documents(lake, "c", rows([f"e{i}" for i in range(10)]))
    assert len(contents(lake, "c")) == 10 + 2 * corpus_exists


MEASURED = """
    import sys, pyarrow as pa
    from saelake.store.documents.documents import SourceBatch, import_documents
    from saelake.store.lake.lake import Lake

    class Large:
        name, schema, generated_ids = "large", pa.schema([]), False

        def batches(self):
            for first in range(0, 100):
                ids = [f"{first}-{i}" for i in range(4)]
                texts = [str(first % 10) * (1 << 20)] * 4
                rows = pa.RecordBatch.from_pydict({"id": ids, "text": texts})
                yield SourceBatch(file="large", first_row=4 * first, rows=rows)

    def peak_bytes():
        # Not ru_maxrss, which begins with the peak of the process that started this one.
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) << 10

    lake = Lake(sys.argv[1])
    class Small(Large):
        def batches(self):
            yield next(super().batches())

    import_documents(lake, "small", Small())
    before = peak_bytes()
    assert import_documents(lake, "c", Large()).n_documents == 400
    print(peak_bytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_memory_does_not_grow_with_the_source(lake: Lake) -> None:
    command = [sys.executable, "-c", textwrap.dedent(MEASURED), lake.uri]
    growth = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert growth < 150 << 20  # the source has 400 MiB


# -- reading


def test_documents_are_taken_in_the_order_asked_for(lake: Lake) -> None:
    import_documents(lake, "c", numbered(5))
    import_documents(lake, "c", numbered(5, start=5))
    documents = Documents.open(lake, "c")
    taken = documents.take(np.array([7, 0, 7, 4], np.uint64), ["id", "doc"])
    assert taken.to_pydict() == {"id": ["d7", "d0", "d7", "d4"], "doc": [7, 0, 7, 4]}
    assert documents.take(np.array([], np.uint64), ["id"]).num_rows == 0
    with pytest.raises(NotFound, match="no document 10: its 10 documents"):
        documents.take(np.array([0, 10], np.uint64), ["id"])


def test_texts_come_in_order_and_bounded_batches(lake: Lake) -> None:
    long, short = "x" * (3 << 20), "y"
    texts = [short] * 40 + [long] * 4 + [short] * 20 + ["z" * (9 << 20)] + [short] * 10
    import_documents(lake, "c", rows([str(i) for i in range(len(texts))], texts))
    documents = Documents.open(lake, "c")
    batches = list(documents.scan_texts(3, 70, batch_rows=32))
    assert [i for batch in batches for i in batch["doc"].to_pylist()] == list(range(3, 70))
    assert [t for batch in batches for t in batch["text"].to_pylist()] == texts[3:70]
    assert batches[0].schema.names == ["doc", "id", "text"]
    assert all(b.num_rows <= 32 and (b.nbytes <= 8 << 20 or b.num_rows == 1) for b in batches)
    assert list(documents.scan_texts(5, 5)) == []


def test_documents_are_found_by_id(lake: Lake) -> None:
    ids = ["it's", "''", "a\\b", "é", "7", 'x"y', "%"]
    import_documents(lake, "c", rows(ids))
    documents = Documents.open(lake, "c")
    assert [documents.find(name) for name in ids] == list(range(len(ids)))
    for wrong in ["it", "'", "_", "", "' OR '1'='1"]:
        with pytest.raises(NotFound):
            documents.find(wrong)
    with pytest.raises(NotFound, match='Did you mean "it\'s"'):
        documents.find("its")
    with pytest.raises(NotFound, match="Its ids look like"):
        documents.find("zzzz")


def test_lancedb_opens_the_lake(lake: Lake) -> None:
    lancedb = pytest.importorskip("lancedb")
    import_documents(lake, "films", numbered(4, year=pa.array([1, 2, 3, 4])))
    import_documents(lake, "films", rows(["x", None], year=pa.array([5, 6])))
    table = lancedb.connect(lake.uri).open_table("films")
    assert table.count_rows() == 5
    assert table.count_rows("year >= 3") == 3


@pytest.mark.parametrize("name", ["x" * 1000, "../made", "a/b", "a--skipped", "", "a\0b"])
def test_what_is_no_name_is_no_corpus_and_no_way_out_of_the_lake(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound, match="There is no corpus"):
        Documents.open(Lake(str(tmp_path / "lake")), name)
