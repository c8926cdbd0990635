"""Several files, patterns, partitions, standard input, delimiters, encodings; data in Python."""

import decimal
import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import saelake
from saelake.store.documents.documents import Documents
from saelake.store.errors import CorpusError, InvalidInput
from saelake.store.lake.lake import Lake
from saelake.store.tables.tables import read
from saelake.workers.corpus import open_source
from saelake.workers.corpus.partitions import partition_of
from tests.store.format.test_widening import ONE_TYPE
from tests.workers.test_corpus import documents, imported


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def parquet(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


# -- several files of one import


@pytest.mark.parametrize(("one", "other", "together"), ONE_TYPE)
@pytest.mark.parametrize("turned", [False, True])
def test_files_of_two_types_are_one_corpus(
    tmp_path: Path,
    lake: Lake,
    one: pa.DataType,
    other: pa.DataType,
    together: pa.DataType,
    turned: bool,
) -> None:
    for i, kind in enumerate((other, one) if turned else (one, other)):
        parquet(tmp_path / "f" / f"{i}.parquet", text=["a"], m=pa.nulls(1, kind))
    imported(lake, tmp_path / "f")
    stored = Documents.open(lake, "c").table.schema.field("m").type
    if together == pa.timestamp("s"):
        together = pa.timestamp("ms")  # Parquet has no seconds
    assert turned or stored.equals(together)


def test_strings_of_all_kinds_fit(tmp_path: Path, lake: Lake) -> None:
    kinds = [pa.string(), pa.large_string(), pa.string_view()]
    arrays = [pa.array(["v"], kind) for kind in kinds] + [pa.array(["v"]).dictionary_encode()]
    for i, array in enumerate(arrays):
        for j, text in enumerate(arrays):
            parquet(tmp_path / "f" / f"{i}{j}.parquet", text=text, id=[f"{i}{j}"], m=array)
    imported(lake, tmp_path / "f")
    assert [d["m"] for d in documents(lake)] == ["v"] * 16


def test_an_object_may_have_no_keys_in_one_file(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.jsonl").write_text('{"text": "a", "m": {}}\n')
    (tmp_path / "f" / "b.jsonl").write_text('{"text": "b", "m": {"k": 1}}\n')
    (tmp_path / "f" / "e.jsonl").write_text("")
    imported(lake, tmp_path / "f")
    assert [d["m"] for d in documents(lake)] == [{"k": None}, {"k": 1}]


def test_several_files_and_patterns_of_several_formats(tmp_path: Path, lake: Lake) -> None:
    parquet(tmp_path / "a.parquet", text=["p"], n=pa.array([1], pa.int32()))
    (tmp_path / "b.csv").write_text("text,n\nq,2.5\n")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "d.jsonl").write_text('{"text": "r", "m": "x"}\n')
    (tmp_path / "deep" / ".hidden.jsonl").write_text('{"text": "no"}\n')
    pattern = tmp_path / "deep" / "**" / "*.jsonl"
    source = open_source([tmp_path / "a.parquet", str(tmp_path / "[bc].csv"), pattern])
    assert [batch.file for batch in source.batches()] == ["a.parquet", "b.csv", "d.jsonl"]
    assert source.schema == pa.schema([("n", pa.float64()), ("m", pa.string())])
    with pytest.raises(CorpusError, match="no file or folder"):
        open_source(str(tmp_path / "*.none"))


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "a[1].csv").write_text("text\nx\n")
    (tmp_path / "a1.csv").write_text("text\nother\n")
    assert imported(lake, tmp_path / "a[1].csv").n_documents == 1
    assert documents(lake) == [{"id": "a[1].csv:0", "text": "x"}]


def test_two_files_of_one_name_need_ids(tmp_path: Path) -> None:
    files = [parquet(tmp_path / f / "x.parquet", text=["a"], key=[f]) for f in ("a", "b")]
    with pytest.raises(CorpusError, match=r"2 files are called x\.parquet.*--id-column"):
        open_source(files)
    assert len(list(open_source(files, id_column="key").batches())) == 2


# -- partitions


def test_partitions_are_columns(tmp_path: Path, lake: Lake) -> None:
    null = "__HIVE_DEFAULT_PARTITION__"
    for label, year in (("neg", "1999"), ("a%20b", "2001"), (null, "2001")):
        parquet(tmp_path / "d" / f"label={label}" / f"year={year}" / "p.parquet", text=["t"])
    imported(lake, tmp_path / "d")
    rows = [(d["label"], d["year"]) for d in documents(lake)]
    assert sorted(rows, key=str) == sorted([("neg", 1999), ("a b", 2001), (None, 2001)], key=str)


@pytest.mark.parametrize("how", ["pattern", "files"])
def test_partitions_of_single_files_are_in_their_names(
    tmp_path: Path, lake: Lake, how: str
) -> None:
    for label in ("neg", "007"):
        parquet(tmp_path / "d" / f"label={label}" / "p.parquet", text=[label])
    pattern = tmp_path / "d" / "*" / "p.parquet"
    found = [pattern] if how == "pattern" else sorted((tmp_path / "d").glob("*/p.parquet"))
    saelake.connect(lake.uri).import_corpus(found, "c")
    assert [(d["id"], d["text"], d["label"]) for d in documents(lake)] == [
        ("label=007/p.parquet:0", "007", "007"),
        ("label=neg/p.parquet:0", "neg", "neg"),
    ]


def test_texts_in_partitions(tmp_path: Path, lake: Lake) -> None:
    for label in ("neg", "pos"):
        (tmp_path / "t" / f"label={label}").mkdir(parents=True)
        (tmp_path / "t" / f"label={label}" / "a.txt").write_text(label)
    imported(lake, tmp_path / "t")
    assert [(d["id"], d["label"]) for d in documents(lake)] == [
        ("label=neg/a.txt", "neg"),
        ("label=pos/a.txt", "pos"),
    ]


def test_a_column_may_repeat_its_folder_but_not_contradict_it(tmp_path: Path, lake: Lake) -> None:
    parquet(tmp_path / "d" / "n=1" / "p.parquet", text=["a"], n=[1])
    imported(lake, tmp_path / "d")
    assert documents(lake)[0]["n"] == 1
    parquet(tmp_path / "d" / "n=2" / "p.parquet", text=["b"], n=[3])
    with pytest.raises(CorpusError, match=r"n=2/p\.parquet has 'n' as a column, with '3'"):
        imported(lake, tmp_path / "d")


def test_folders_that_are_partitions() -> None:
    assert partition_of("d/a=1/b=x%2Fy/p.csv") == {"a": "1", "b": "x/y"}
    assert partition_of("d/e/p=q.csv") == {}
    assert partition_of("a=/p.csv") == {"a": ""}


# -- delimiters and encodings


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_delimiter_is_found_out(tmp_path: Path, lake: Lake, delimiter: str) -> None:
    lines = [["id", "text", "n"], ["a", '"x, y; z|\tw"', "1"], ["b", "plain", "2"]]
    text = "\n".join(delimiter.join(line) for line in lines)
    (tmp_path / "rows.csv").write_text(f"\ufeff{text}\n")
    imported(lake, tmp_path / "rows.csv")
    assert documents(lake) == [
        {"id": "a", "text": "x, y; z|\tw", "n": 1},
        {"id": "b", "text": "plain", "n": 2},
    ]


def test_one_column_needs_no_delimiter(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "rows.csv").write_text("text\na; b\n")
    imported(lake, tmp_path / "rows.csv")
    assert documents(lake)[0]["text"] == "a; b"


@pytest.mark.parametrize(("said", "character"), [("semicolon", ";"), ("|", "|"), ("\\t", "\t")])
def test_a_delimiter_may_be_said(tmp_path: Path, lake: Lake, said: str, character: str) -> None:
    (tmp_path / "rows.csv").write_text(
        f"id,text{character}text{character}n\n1{character}a{character}2"
    )
    imported(lake, tmp_path / "rows.csv", delimiter=said)
    assert documents(lake) == [{"id": "rows.csv:0", "text": "a", "id,text": 1, "n": 2}]


@pytest.mark.parametrize("wrong", ["", "ab", '"', "x", "é"])
def test_what_separates_no_values(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(InvalidInput, match="not one character"):
        open_source(str(tmp_path), delimiter=wrong)


ENCODINGS = {
    "latin-1": "café",
    "cp1252": "“café”",
    "utf-16": "日本",
    "utf-16-le": "日本",
    "utf-8-sig": "日本",
    "shift_jis": "日本",
    "utf-8": "日本",
}
FORMATS = {
    "r.csv": "text\n{}\n",
    "r.csv.gz": "text\n{}\n",
    "r.jsonl": '{{"text": "{}"}}\n',
    "r.txt": "{}",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", FORMATS)
def test_text_of_every_encoding(tmp_path: Path, lake: Lake, encoding: str, name: str) -> None:
    word = ENCODINGS[encoding]
    content = FORMATS[name].format(word).encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    format_ = "text" if name == "r.txt" else None
    imported(lake, tmp_path / name, encoding=encoding, format=format_)
    assert [d["text"] for d in documents(lake)] == [word]


def test_a_wrong_encoding_is_said(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "r.csv").write_bytes("text,n\ncafé,1\n".encode("latin-1"))
    with pytest.raises(CorpusError, match=r"not in the encoding that was said.*--encoding"):
        imported(lake, tmp_path / "r.csv", encoding="utf-16")
    with pytest.raises(CorpusError, match=r"1 × invalid UTF-8.*--encoding"):
        imported(lake, tmp_path / "r.csv")
    with pytest.raises(InvalidInput, match="'klingon' is unknown"):
        imported(lake, tmp_path / "r.csv", encoding="klingon")
    with pytest.raises(InvalidInput, match="is unknown"):
        imported(lake, tmp_path / "r.csv", encoding="base64")
    with pytest.raises(InvalidInput, match="no text format"):
        open_source(parquet(tmp_path / "r.parquet", text=["a"]), encoding="latin-1")
    with pytest.raises(InvalidInput, match="leave --delimiter out"):
        open_source(parquet(tmp_path / "r.parquet", text=["a"]), delimiter=";")


# -- ids and names


def test_ids_that_are_numbers_of_other_kinds_become_text_and_that_is_said(
    tmp_path: Path, lake: Lake
) -> None:
    big = [12345678901234567890, 12345678901234567891, 5]
    (tmp_path / "big.jsonl").write_text("".join(f'{{"id": {i}, "text": "t"}}\n' for i in big))
    report = saelake.connect(lake.uri).import_corpus(tmp_path / "big.jsonl", "c")
    assert [d["id"] for d in documents(lake)] == [str(i) for i in big]
    assert any("digit for digit" in note for note in report.notes)
    floats = parquet(tmp_path / "f.parquet", text=["a", "b", "d"], id=[1.0, 2.5, float("nan")])
    report = saelake.connect(lake.uri).import_corpus(floats, "d")
    assert [r["id"] for r in read(lake.documents("d"), ["id"]).to_pylist()] == ["1", "2.5"]
    assert report.reasons == {"no id": 1}
    assert any("floating-point" in note and "2^53" in note for note in report.notes)


def test_columns_that_are_renamed_are_said(tmp_path: Path, lake: Lake) -> None:
    file = parquet(tmp_path / "r.parquet", text=["a"], doc=[1], **{"a.b": [2]})
    report = saelake.connect(lake.uri).import_corpus(file, "c")
    assert [note for note in report.notes if "'doc' of" in note and "'doc_'" in note]
    assert [note for note in report.notes if "'a.b' of" in note and "'a_b'" in note]


# -- data in Python

COLUMNS: dict[str, Any] = {"id": ["a", "b"], "text": ["x", "y"], "n": [1, None]}
ROWS: list[dict[str, Any]] = [{"id": "a", "text": "x", "n": 1}, {"id": "b", "text": "y", "n": None}]


def polars() -> Any:
    return pytest.importorskip("polars").DataFrame(COLUMNS)


def pandas() -> Any:
    return pytest.importorskip("pandas").DataFrame(COLUMNS)


def generator() -> Iterator[dict[str, Any]]:
    yield from ROWS


class Exports:
    """An object that exports Arrow, and nothing else."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return pa.table(COLUMNS).__arrow_c_stream__(requested_schema)


DATA: dict[str, Callable[[], Any]] = {
    "polars": polars,
    "pandas": pandas,
    "table": lambda: pa.table(COLUMNS),
    "batch": lambda: pa.RecordBatch.from_pydict(COLUMNS),
    "reader": lambda: pa.table(COLUMNS).to_reader(),
    "stream": Exports,
    "list": lambda: ROWS,
    "generator": generator,
    "tuple": lambda: tuple(ROWS),
    "table of dictionaries": lambda: pa.table(
        {**COLUMNS, "text": pa.array(COLUMNS["text"]).dictionary_encode()}
    ),
}


@pytest.mark.parametrize("kind", DATA)
def test_data_in_python_is_imported_and_again_adds_nothing(lake: Lake, kind: str) -> None:
    opened = saelake.connect(lake.uri)
    assert opened.import_corpus(DATA[kind](), "c").n_documents == 2
    assert documents(lake) == ROWS
    assert opened.import_corpus(DATA[kind](), "c").n_documents == 0


def test_rows_without_ids_are_called_by_their_number(lake: Lake) -> None:
    opened = saelake.connect(lake.uri)
    opened.import_corpus([{"text": "a"}, {"text": "b"}], "c")
    assert opened.import_corpus(({"text": t} for t in "abd"), "c").n_documents == 1
    with pytest.raises(CorpusError, match="another text for this row"):
        opened.import_corpus([{"text": "other"}], "c")
    opened.import_corpus([{"text": "other"}], "c", rows_name="second")
    assert [d["id"] for d in documents(lake)] == ["c:0", "c:1", "c:2", "second:0"]


def test_rows_of_all_kinds_in_a_generator(lake: Lake) -> None:
    """Each thousand has types of its own, and the corpus those that hold them all."""
    wide = decimal.Decimal(2**70)

    def rows() -> Iterator[dict[str, Any]]:
        for i in range(3000):
            row = {"id": i, "text": f"t{i}", "n": i if i < 2500 else i + 0.5}
            yield {**row, "late": {"k": [i]}} if i > 2000 else {**row, "none": None}

    opened = saelake.connect(lake.uri)
    assert opened.import_corpus(rows(), "c").n_documents == 3000
    found = documents(lake)
    assert [d["n"] for d in found] == [i if i < 2500 else i + 0.5 for i in range(3000)]
    assert [d["late"] for d in found] == [{"k": [i]} if i > 2000 else None for i in range(3000)]
    opened.import_corpus([{"id": 2**70, "text": "big"}, {"id": 1, "text": "t1"}], "e")
    assert read(lake.documents("e"), ["id"])["id"].to_pylist() == [str(wide), "1"]


def pandas_of(rows: list[dict[str, str]]) -> Any:
    return pytest.importorskip("pandas").DataFrame(rows, dtype=object)


def test_a_surrogate_in_python_costs_its_row_alone(lake: Lake) -> None:
    rows = [{"text": "a"}, {"text": "\ud83d"}, {"text": "b"}]
    for corpus, data in (("l", rows), ("p", pandas_of(rows))):
        report = saelake.connect(lake.uri).import_corpus(data, corpus)
        assert (report.n_documents, report.reasons) == (2, {"invalid UTF-8": 1})


def test_an_index_with_a_name_is_a_column(lake: Lake) -> None:
    frame = pandas().set_index("id")
    saelake.connect(lake.uri).import_corpus(frame, "c")
    assert documents(lake) == ROWS
    frame = pandas()[lambda f: f["id"] == "b"]
    saelake.connect(lake.uri).import_corpus(frame, "d")
    assert Documents.open(lake, "d").metadata_columns == ["n"]


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (5, InvalidInput, "int cannot be imported"),
        ({"text": ["a"]}, InvalidInput, "dict cannot be imported"),
        ([], InvalidInput, "the list is empty"),
        ([5], CorpusError, "row 0: this is int"),
        ([{"text": "a"}, "b"], CorpusError, "row 1: this is str"),
        (iter([]), CorpusError, "no rows"),
        ([{"text": "a", "n": 1}, {"text": "b", "n": "x"}], CorpusError, "column 'n'"),
        ([{"text": "a"}, {"body": 1}], None, ""),
        ([{"body": "a"}], CorpusError, "no column 'text'"),
    ],
)
def test_what_is_no_data(lake: Lake, data: Any, error: type[Exception] | None, said: str) -> None:
    opened = saelake.connect(lake.uri)
    if error is None:
        assert opened.import_corpus(data, "c").reasons == {"no text": 1}
        return
    with pytest.raises(error, match=said):
        opened.import_corpus(data, "c")


@pytest.mark.parametrize("empty", ["pandas", "polars", "table", "batch", "columns", "tuple"])
def test_an_empty_frame_has_no_rows(lake: Lake, empty: str) -> None:
    made: dict[str, Callable[[], Any]] = {
        "pandas": lambda: pytest.importorskip("pandas").DataFrame({"text": []}),
        "polars": lambda: pytest.importorskip("polars").DataFrame({"text": []}),
        "columns": lambda: pytest.importorskip("pandas").DataFrame(),
        "table": lambda: pa.table({"text": pa.array([], pa.string())}),
        "batch": lambda: pa.RecordBatch.from_pydict({"text": pa.array([], pa.null())}),
    }
    data = made[empty]() if empty in made else iter(())
    with pytest.raises(CorpusError, match=r"^c has no rows, so there is nothing to import"):
        saelake.connect(lake.uri).import_corpus(data, "c")


@pytest.mark.parametrize("kind", ["polars", "pandas", "chunks"])
def test_a_column_alone_is_no_table(lake: Lake, kind: str) -> None:
    data: Any = pa.chunked_array([["a"]])
    if kind != "chunks":
        data = pytest.importorskip(kind).Series(["a"])
    with pytest.raises(InvalidInput, match=r"^A (Series|ChunkedArray) .*cannot be imported: give"):
        saelake.connect(lake.uri).import_corpus(data, "c")


@pytest.mark.parametrize(
    "option", [{"delimiter": ";"}, {"encoding": "latin-1"}, {"format": "csv"}, {"split": "train"}]
)
def test_what_is_said_of_files_is_refused_of_data_in_python(
    lake: Lake, option: dict[str, Any]
) -> None:
    (name,) = option
    for kind in ("pandas", "table", "generator"):
        with pytest.raises(InvalidInput, match=f"in Python, which has no {name}.* leave {name}="):
            saelake.connect(lake.uri).import_corpus(DATA[kind](), "c", **option)


def test_messages_of_data_in_python_speak_of_no_file(lake: Lake) -> None:
    opened = saelake.connect(lake.uri)
    opened.import_corpus([{"id": "a", "text": "x", "n": 1}], "c")
    bad: list[list[dict[str, Any]]] = [
        [{"id": "b", "text": "x", "n": "y"}],
        [{"text": "x", "n": 1j}],
        [{"body": "x"}],
        [{"text": 1}],
    ]
    for rows in bad:
        with pytest.raises(CorpusError) as caught:
            opened.import_corpus(rows, "c")
        assert "file" not in caught.value.message


def test_a_former_name_of_rows_works_and_says_so(lake: Lake) -> None:
    with pytest.warns(DeprecationWarning, match="rows_name"):
        saelake.connect(lake.uri).import_corpus([{"text": "a"}], "c", name="old")
    assert [d["id"] for d in documents(lake)] == ["old:0"]


# -- lines that are cut off, and ids in upper case


@pytest.mark.parametrize("cut", ['{"text": "c', '{"text": "c", "n":', '{"id"', "{", '{"text": "é'])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_line_that_is_cut_off_costs_its_row_alone(
    lake: Lake, tmp_path: Path, cut: str, zipped: bool
) -> None:
    content = ('{"id": "a", "text": "x", "n": 1}\n{"id": "b", "text": "y"}\n' + cut).encode()
    file = tmp_path / ("rows.jsonl.gz" if zipped else "rows.jsonl")
    content = content[:-1] if cut.endswith("é") else content  # within a character
    file.write_bytes(gzip.compress(content) if zipped else content)
    report = saelake.connect(lake.uri).import_corpus(str(file), "c")
    assert (report.n_documents, report.reasons) == (2, {"line cut off": 1})
    assert report.examples == (f"{file.name}, row 2: line cut off",)
    assert documents(lake) == ROWS


def test_a_line_that_is_whole_again_is_imported(lake: Lake, tmp_path: Path) -> None:
    file, opened = tmp_path / "rows.jsonl", saelake.connect(lake.uri)
    for end, n in (('{"text": "b', 1), ('{"text": "b"}', 1), ('{"text": "b"}\n', 0)):
        file.write_text('{"text": "a"}\n' + end)
        assert opened.import_corpus(str(file), "c").n_documents == n
    assert [d["id"] for d in documents(lake)] == ["rows.jsonl:0", "rows.jsonl:1"]


@pytest.mark.parametrize("content", ['{"text": "c', '\n{"text": "c'])
def test_a_file_of_nothing_but_a_cut_line_is_refused(
    lake: Lake, tmp_path: Path, content: str
) -> None:
    (tmp_path / "rows.jsonl").write_text(content)
    with pytest.raises(CorpusError, match=r"rows\.jsonl, line"):
        saelake.connect(lake.uri).import_corpus(str(tmp_path / "rows.jsonl"), "c")
    (tmp_path / "rows.jsonl").write_text('{"text": " "}\n{"text": "c')
    with pytest.raises(CorpusError, match="1 × empty text, 1 × line cut off"):
        saelake.connect(lake.uri).import_corpus(str(tmp_path / "rows.jsonl"), "c")


def test_a_wrong_line_that_is_not_the_last_stops_the_import(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n{"text": "b\n{"text": "c"}\n')
    with pytest.raises(CorpusError, match="line 2"):
        saelake.connect(lake.uri).import_corpus(str(tmp_path / "rows.jsonl"), "c")


@pytest.mark.parametrize("column", ["ID", "Doc_Id"])
def test_ids_in_upper_case_are_not_taken_and_that_is_said(
    lake: Lake, tmp_path: Path, column: str
) -> None:
    (tmp_path / "rows.csv").write_text(f"{column},text\n7,a\n8,b\n")
    opened = saelake.connect(lake.uri)
    report = opened.import_corpus(str(tmp_path / "rows.csv"), "c")
    assert any(f"--id-column {column} to take it" in note for note in report.notes)
    assert [d["id"] for d in documents(lake)] == ["rows.csv:0", "rows.csv:1"]
    for chosen in (column, ""):
        report = opened.import_corpus(str(tmp_path / "rows.csv"), "d" + chosen, id_column=chosen)
        assert not report.notes


def test_a_generator_that_fails_leaves_nothing(lake: Lake) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"text": "a"}
        raise OSError("the network is gone")

    with pytest.raises(OSError, match="network is gone"):
        saelake.connect(lake.uri).import_corpus(rows(), "c")
    assert not Path(lake.uri).exists()


def test_data_in_python_needs_a_name_for_its_corpus(lake: Lake, tmp_path: Path) -> None:
    opened = saelake.connect(lake.uri)
    for data in (ROWS, pa.table(COLUMNS), [tmp_path / "a.csv", tmp_path / "b.csv"]):
        with pytest.raises(InvalidInput, match="give a corpus"):
            opened.import_corpus(data)
    with pytest.raises(InvalidInput, match="--corpus"):
        opened.import_corpus(tmp_path / "part-*.csv")


# -- standard input


def test_standard_input_is_read_to_its_end(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for format_, content in (
        ("jsonl", b'{"text": "a"}\n{"text": "b"}\n'),
        ("csv", b"text;n\na;1\nb;2\n"),
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        source = open_source("-", format=format_)
        (batch,) = source.batches()
        assert batch.rows["id"].to_pylist() == ["stdin:0", "stdin:1"]
        assert batch.rows["text"].to_pylist() == ["a", "b"]
    with pytest.raises(InvalidInput, match="--format"):
        open_source("-")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(CorpusError, match="empty"):
        open_source("-", format="csv")
