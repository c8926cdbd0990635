"""Files and data sets as documents: what is kept, and what is said of those that cannot be read."""

import bz2
import datetime
import decimal
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from saelake.store.documents.documents import Documents, import_documents
from saelake.store.errors import CorpusError, InvalidInput, NotFound
from saelake.store.lake.lake import Lake
from saelake.store.reports import ImportReport
from saelake.store.tables.tables import read
from saelake.workers.corpus import open_source

TEXTS = ["rain", "slow über 日本", "end"]
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def imported(lake: Lake, location: Path | str, **settings: Any) -> ImportReport:
    return import_documents(lake, "c", open_source(str(location), **settings))


def documents(lake: Lake) -> list[dict[str, Any]]:
    opened = Documents.open(lake, "c")
    columns = ["id", "text", *opened.metadata_columns]
    rows = opened.take(np.arange(opened.n_documents, dtype=np.uint64), columns)
    found: list[dict[str, Any]] = rows.to_pylist()
    return found


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


ROWS = [{"id": f"r{i}", "text": t, "stars": i, "good": i > 0} for i, t in enumerate(TEXTS)]
WRITERS: dict[str, Callable[[Path], object]] = {
    "rows.parquet": lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path),
    "rows.jsonl": lambda path: path.write_bytes(jsonl(ROWS)),
    "rows.ndjson": lambda path: path.write_bytes(jsonl(ROWS)),
    "rows.jsonl.gz": lambda path: path.write_bytes(gzip.compress(jsonl(ROWS))),
    "rows.jsonl.zst": lambda path: path.write_bytes(pa.compress(jsonl(ROWS), "zstd", asbytes=True)),
    "ROWS.JSON": lambda path: path.write_bytes(BYTE_ORDER_MARK + jsonl(ROWS)),
    "rows.jsonl.bz2": lambda path: path.write_bytes(bz2.compress(jsonl(ROWS))),
    "rows.csv": lambda path: path.write_text(
        "id,text,stars,good\n" + "".join(f'r{i},"{t}",{i},{i > 0}\n' for i, t in enumerate(TEXTS))
    ),
    "rows.tsv": lambda path: path.write_text(
        "id\ttext\tstars\tgood\n"
        + "".join(f"r{i}\t{t}\t{i}\t{i > 0}\n" for i, t in enumerate(TEXTS))
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_documents(tmp_path: Path, lake: Lake, name: str) -> None:
    WRITERS[name](tmp_path / name)
    report = imported(lake, tmp_path / name)
    assert (report.n_documents, report.n_skipped) == (3, 0)
    assert documents(lake) == ROWS


def test_a_folder_of_text_files_is_a_document_a_file(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "texts" / "deep").mkdir(parents=True)
    (tmp_path / "texts" / "a.txt").write_text("rain")
    (tmp_path / "texts" / "deep" / "b.txt").write_bytes(b"\xef\xbb\xbfslow")
    imported(lake, tmp_path / "texts")
    assert documents(lake) == [
        {"id": "a.txt", "text": "rain", "folder": "", "extension": "txt"},
        {"id": "deep/b.txt", "text": "slow", "folder": "deep", "extension": "txt"},
    ]


def test_a_folder_of_parquet_files_is_one_corpus(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "parts").mkdir()
    for i in range(2):
        table = pa.table({"text": [f"t{i}"], "n": [i]})
        pq.write_table(table, tmp_path / "parts" / f"part-{i}.parquet")
    imported(lake, tmp_path / "parts")
    assert [(d["id"], d["text"], d["n"]) for d in documents(lake)] == [
        ("parts/part-0.parquet:0", "t0", 0),
        ("parts/part-1.parquet:0", "t1", 1),
    ]


def test_a_saved_data_set_has_the_names_of_its_classes(tmp_path: Path, lake: Lake) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    rows = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)
    rows.save_to_disk(tmp_path / "saved")
    imported(lake, tmp_path / "saved")
    assert [d["label"] for d in documents(lake)] == ["pos", "neg"]


def test_a_split_of_a_saved_data_set_is_chosen(tmp_path: Path, lake: Lake) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    splits = {
        name: datasets.Dataset.from_dict({"text": [name], "label": [-1]}, features=features)
        for name in ("train", "test")
    }
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    imported(lake, tmp_path / "saved", split="test")
    assert documents(lake) == [{"id": "saved:test:0", "text": "test", "label": None}]
    assert open_source(str(tmp_path / "saved")).schema.names == ["label"]
    with pytest.raises(CorpusError, match="no split 'dev', but train, test"):
        open_source(str(tmp_path / "saved"), split="dev")


OFFLINE = """
from saelake.store.errors import CorpusError
from saelake.workers.corpus import open_source
try:
    open_source("hf://nobody/nothing/small:train")
except CorpusError as error:
    print(error)
"""


def test_a_hub_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", OFFLINE]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "The data set nobody/nothing/small cannot be loaded" in run.stdout
    assert "connection" in run.stdout


def test_metadata_keeps_its_types(tmp_path: Path, lake: Lake) -> None:
    columns: dict[str, pa.Array] = {
        "small": pa.array([1, None], pa.int8()),
        "large": pa.array([2**63, 1], pa.uint64()),
        "half": pa.array([0.5, 1.5], pa.float32()),
        "yes": pa.array([True, None]),
        "day": pa.array([datetime.date(2026, 1, 2), None]),
        "moment": pa.array([datetime.datetime(2026, 1, 2, 3), None], pa.timestamp("us", "UTC")),
        "price": pa.array([decimal.Decimal("1.50"), None], pa.decimal128(6, 2)),
        "words": pa.array([["a", "b"], []], pa.list_(pa.string())),
        "place": pa.array([{"x": 1, "y": 2.0}, None]),
        "raw": pa.array([b"\x00\xff", b""]),
        "kind": pa.array(["u", "v"]).dictionary_encode(),
        "long": pa.array(["u", None], pa.large_string()),
    }
    table = pa.table({"text": ["a", "b"], **columns})
    pq.write_table(table, tmp_path / "rows.parquet")
    imported(lake, tmp_path / "rows.parquet")
    stored = read(lake.documents("c"), list(columns))
    for name, column in columns.items():
        plain = column.dictionary_decode() if name == "kind" else column
        assert stored[name].to_pylist() == plain.to_pylist(), name
    for name in ("small", "large", "half", "yes", "day", "moment", "price"):
        assert stored.schema.field(name).type == columns[name].type


# What Lance cannot hold, or Arrow has twice, is stored as a type that says the same.
STORED_AS: dict[str, tuple[pa.Array, pa.DataType]] = {
    "decimal32": (
        pa.array([decimal.Decimal("1.5"), None], pa.decimal32(5, 2)),
        pa.decimal128(5, 2),
    ),
    "large list": (pa.array([[1], None], pa.large_list(pa.int8())), pa.list_(pa.int8())),
    "string view": (pa.array(["a", None], pa.string_view()), pa.string()),
    "json": (pa.array(['{"a": 1}', None], pa.json_()), pa.string()),
    "uuid": (pa.array([bytes(16), None], pa.uuid()), pa.binary(16)),
    "vector": (pa.array([[1, 2], None], pa.list_(pa.float32(), 2)), pa.list_(pa.float32(), 2)),
    "pair of strings": (
        pa.array([["a", "b"], None], pa.list_(pa.string(), 2)),
        pa.list_(pa.string()),
    ),
    "dictionary of numbers": (pa.array([5, None]).dictionary_encode(), pa.int64()),
    "dictionary in a struct": (
        pa.StructArray.from_arrays([pa.array(["x", "y"]).dictionary_encode()], ["k"]),
        pa.struct([("k", pa.string())]),
    ),
    "dictionary in a list": (
        pa.ListArray.from_arrays([0, 1, 2], pa.array(["x", "y"]).dictionary_encode()),
        pa.list_(pa.string()),
    ),
    "list of structs of lists": (
        pa.array([[{"a": 1, "b": [{"c": "x"}]}], None]),
        pa.list_(pa.struct([("a", pa.int64()), ("b", pa.list_(pa.struct([("c", pa.string())])))])),
    ),
    "nothing": (pa.nulls(2), pa.null()),
}


@pytest.mark.parametrize("kind", STORED_AS)
def test_odd_types_are_stored_as_plain_ones(tmp_path: Path, lake: Lake, kind: str) -> None:
    column, stored_as = STORED_AS[kind]
    pq.write_table(pa.table({"text": ["a", "b"], "m": column}), tmp_path / "rows.parquet")
    imported(lake, tmp_path / "rows.parquet")
    stored = read(lake.documents("c"), ["m"])
    assert stored.schema.field("m").type.equals(stored_as)
    values = column.cast(stored_as) if kind == "uuid" else column
    assert stored["m"].to_pylist() == values.to_pylist()


TEXT_COLUMNS: dict[str, pa.Array] = {
    "large_string": pa.array(TEXTS, pa.large_string()),
    "string_view": pa.array(TEXTS, pa.string_view()),
    "dictionary": pa.array(TEXTS).dictionary_encode(),
    "binary": pa.array([text.encode() for text in TEXTS]),
}


@pytest.mark.parametrize("kind", TEXT_COLUMNS)
def test_texts_and_ids_may_be_of_any_string_type(tmp_path: Path, lake: Lake, kind: str) -> None:
    column = TEXT_COLUMNS[kind]
    pq.write_table(pa.table({"text": column, "id": column}), tmp_path / "rows.parquet")
    imported(lake, tmp_path / "rows.parquet")
    assert documents(lake) == [{"id": text, "text": text} for text in TEXTS]


def test_bytes_that_are_not_utf8_are_skipped_also_in_parquet(tmp_path: Path, lake: Lake) -> None:
    table = pa.table({"text": pa.array([b"fine", b"caf\xe9"])})
    pq.write_table(table, tmp_path / "rows.parquet")
    assert imported(lake, tmp_path / "rows.parquet").reasons == {"invalid UTF-8": 1}


def test_numbers_and_words_of_a_csv_stay_what_they_are(tmp_path: Path, lake: Lake) -> None:
    lines = ["id,text,n,when,note", "007,5,1,2026-01-02,NA", '7,"a ""b""\nc",,2026-01-03,']
    lines += ['8,"x","","",", the\n"' + "\r\n" * 40]
    (tmp_path / "rows.csv").write_bytes("\r\n".join(lines).encode())
    imported(lake, tmp_path / "rows.csv")
    days = [datetime.date(2026, 1, 2), datetime.date(2026, 1, 3)]
    assert documents(lake) == [
        {"id": "007", "text": "5", "n": 1, "when": days[0], "note": "NA"},
        {"id": "7", "text": 'a "b"\nc', "n": None, "when": days[1], "note": ""},
        {"id": "8", "text": "x", "n": None, "when": None, "note": ", the\n"},
    ]


def test_objects_of_json_lines_keep_their_shape(tmp_path: Path, lake: Lake) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "2026-01-02", "tags": ["a"], "place": {"x": 1, "at": "2026-01-02"}, "free": {}},
        {"text": "b", "tags": [], "place": None, "n": 2.5, "free": None},
        {"text": "\U0001f600\x00", "tags": None, "n": 3},
    ]
    (tmp_path / "rows.jsonl").write_bytes(b"\n\n" + jsonl(rows).replace(b"\n", b"\r\n"))
    imported(lake, tmp_path / "rows.jsonl")
    kept = {"tags": None, "place": None, "n": None}
    assert [{k: v for k, v in d.items() if k not in ("id", "free")} for d in documents(lake)] == [
        {**kept, **{k: v for k, v in row.items() if k != "free"}} for row in rows
    ]
    assert [d["free"] for d in documents(lake)] == ["{}", None, None]


def test_names_of_columns_are_made_fit_for_filters(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "a.b": 1, "a_b": 2, "": 3, "_rowid": 4}\n')
    source = open_source(str(tmp_path / "rows.jsonl"))
    assert source.renamed == {"a.b": "a_b_", "": "unnamed", "_rowid": "_rowid_"}


def test_a_named_format_overrides_the_name(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "rows.txt").write_bytes(jsonl(ROWS))
    imported(lake, tmp_path / "rows.txt", format="jsonl")
    assert documents(lake) == ROWS


def test_compressed_members_end_to_end_are_one_file(tmp_path: Path, lake: Lake) -> None:
    parts = [gzip.compress(jsonl([row])) for row in ROWS]
    (tmp_path / "rows.jsonl.gz").write_bytes(b"".join(parts))
    imported(lake, tmp_path / "rows.jsonl.gz")
    assert documents(lake) == ROWS


def test_hidden_files_are_not_documents(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "texts" / ".git").mkdir(parents=True)
    (tmp_path / "texts" / ".git" / "HEAD").write_text("ref")
    (tmp_path / "texts" / ".hidden.txt").write_text("no")
    (tmp_path / "texts" / "b.md").write_text("yes")
    (tmp_path / "texts" / "a.txt").write_bytes(b"caf\xe9")
    report = imported(lake, tmp_path / "texts", format="text")
    assert [d["id"] for d in documents(lake)] == ["b.md"]
    assert report.reasons == {"invalid UTF-8": 1}


@pytest.mark.parametrize(
    ("settings", "ids"),
    [
        ({}, ["7", "8"]),
        ({"id_column": "key"}, ["a", "b"]),
        ({"id_column": ""}, ["rows.parquet:0", "rows.parquet:1"]),
    ],
)
def test_ids_come_from_a_column_or_a_place(
    tmp_path: Path, lake: Lake, settings: dict[str, str], ids: list[str]
) -> None:
    table = pa.table({"doc_id": [7, 8], "key": ["a", "b"], "text": ["x", "y"]})
    pq.write_table(table, tmp_path / "rows.parquet")
    imported(lake, tmp_path / "rows.parquet", **settings)
    assert [d["id"] for d in documents(lake)] == ids


def test_columns_that_have_a_reserved_name_are_renamed(tmp_path: Path, lake: Lake) -> None:
    table = pa.table({"body": ["x"], "text": ["the title"], "doc": [5]})
    pq.write_table(table, tmp_path / "rows.parquet")
    source = open_source(str(tmp_path / "rows.parquet"), text_column="body")
    import_documents(lake, "c", source)
    (row,) = documents(lake)
    assert row["text"] == "x"
    assert {row[name] for name in source.renamed.values()} == {"the title", 5}


def test_rows_that_cannot_be_documents_are_counted_and_recorded(tmp_path: Path, lake: Lake) -> None:
    lines = [
        b'{"id": "a", "text": "fine"}',
        b'{"id": "a", "text": "the same id"}',
        b'{"id": "b", "text": ""}',
        b'{"id": "c", "text": " \\t "}',
        b'{"id": "d", "text": null}',
        b'{"id": "e"}',
        b'{"id": null, "text": "no id"}',
        b'{"id": "g", "text": "caf\xe9"}',
        b'{"id": "h", "text": "also fine"}',
    ]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines))
    report = imported(lake, tmp_path / "rows.jsonl")
    assert report.n_documents == 2
    assert report.reasons == {
        "duplicate id": 1,
        "empty text": 2,
        "no text": 2,
        "no id": 1,
        "invalid UTF-8": 1,
    }
    skipped = read(lake.skipped("c"), ["row", "reason"], "source is not null").to_pylist()
    assert {(s["row"], s["reason"]) for s in skipped} >= {(1, "duplicate id"), (7, "invalid UTF-8")}
    again = imported(lake, tmp_path / "rows.jsonl")
    assert again.n_documents == 0
    assert len(documents(lake)) == 2


LONG = "long " * (10 * 2**20 // 5)
LONG_WRITERS: dict[str, Callable[[Path], object]] = {
    "rows.jsonl": lambda path: path.write_bytes(jsonl([{"text": t} for t in ("a", LONG, "b")])),
    "rows.parquet": lambda path: pq.write_table(pa.table({"text": ["a", LONG, "b"]}), path),
    "rows.csv": lambda path: path.write_text(f'text\na\n"{LONG}"\nb\n'),
}


@pytest.mark.parametrize("name", LONG_WRITERS)
def test_a_long_document_is_kept_whole(tmp_path: Path, lake: Lake, name: str) -> None:
    LONG_WRITERS[name](tmp_path / name)
    imported(lake, tmp_path / name)
    assert [(d["id"], d["text"]) for d in documents(lake)] == [
        (f"{name}:{i}", text) for i, text in enumerate(("a", LONG, "b"))
    ]


def test_a_long_row_late_in_a_csv_doubles_nothing(tmp_path: Path, lake: Lake) -> None:
    """Where the blocks become longer, the file is read again from its beginning."""
    rows = [f"{i},{'x' * 100}" for i in range(30_000)]
    long = f"30000,{'y' * (2 << 20)}"
    (tmp_path / "rows.csv").write_text("\n".join(["id,text", *rows, long, "30001,z"]))
    assert imported(lake, tmp_path / "rows.csv").n_skipped == 0
    assert [d["id"] for d in documents(lake)] == [str(i) for i in range(30_002)]


def test_ids_are_unique_across_imports(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "one.jsonl").write_bytes(jsonl(ROWS[:2]))
    (tmp_path / "two.csv").write_text("id,text,stars,good\nr1,another,5,true\nr9,new,1,false\n")
    imported(lake, tmp_path / "one.jsonl")
    report = imported(lake, tmp_path / "two.csv")
    assert report.reasons == {"id already in the corpus": 1}
    assert [(d["id"], d["text"]) for d in documents(lake)] == [
        ("r0", TEXTS[0]),
        ("r1", TEXTS[1]),
        ("r9", "new"),
    ]


def test_a_place_that_has_another_text_is_another_file(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "rows.csv").write_text("text\na\nb\n")
    imported(lake, tmp_path / "rows.csv")
    (tmp_path / "rows.csv").write_text("text\na\nb\nc\n")
    assert imported(lake, tmp_path / "rows.csv").n_documents == 1
    (tmp_path / "rows.csv").write_text("text\na\nother\n")
    with pytest.raises(CorpusError, match=r"rows\.csv, row 1: .*--id-column"):
        imported(lake, tmp_path / "rows.csv")
    assert [d["text"] for d in documents(lake)] == ["a", "b", "c"]


def damaged(path: Path) -> None:
    pq.write_table(pa.table({"text": ["x"] * 1000}), path)
    path.write_bytes(path.read_bytes()[:-50])


def scrambled(path: Path) -> None:
    texts = [f"text {i}" for i in range(5000)]
    pq.write_table(pa.table({"text": texts}), path, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[1000:1400] = bytes(400)
    path.write_bytes(content)


MISTAKES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a truncated Parquet file": ("rows.parquet", damaged, r"rows\.parquet cannot be read"),
    "a Parquet file that is none": (
        "rows.parquet",
        lambda path: path.write_text("hello"),
        r"rows\.parquet cannot be read",
    ),
    "an empty file": ("rows.jsonl", lambda path: path.write_text(""), "is empty"),
    "a line that is not JSON": (
        "rows.jsonl",
        lambda path: path.write_text('{"text": "a"}\nnot json\n'),
        r"rows\.jsonl",
    ),
    "a JSON array": ("rows.json", lambda path: path.write_text('[{"text": "a"}]'), "JSON array"),
    "no text column": (
        "rows.jsonl",
        lambda path: path.write_text('{"body": "a", "n": 1}\n'),
        "no column 'text'; its columns are 'body', 'n'.*--text-column",
    ),
    "a text column of numbers": (
        "rows.jsonl",
        lambda path: path.write_text('{"text": 5}\n'),
        "which is not text",
    ),
    "a Parquet file with damaged pages": ("rows.parquet", scrambled, r"rows\.parquet cannot be"),
    "a Parquet file without rows": (
        "rows.parquet",
        lambda path: pq.write_table(pa.table({"text": pa.array([], pa.string())}), path),
        "has no rows",
    ),
    "a Parquet file that calls itself CSV": (
        "rows.csv",
        lambda path: pq.write_table(pa.table({"text": ["a"]}), path),
        r"rows\.csv cannot be read",
    ),
    "a truncated archive": (
        "rows.jsonl.gz",
        lambda path: path.write_bytes(gzip.compress(jsonl(ROWS * 1000))[:-20]),
        r"rows\.jsonl\.gz cannot be read: Truncated",
    ),
    "an archive that is none": (
        "rows.csv.gz",
        lambda path: path.write_text("text\na\n"),
        r"rows\.csv\.gz cannot be read",
    ),
    "a line that breaks off": (
        "rows.jsonl",
        lambda path: path.write_text('{"text": "a"}\n{"text": "b\n'),
        r"line 2: this is not a JSON object: Invalid encoding in string$",
    ),
    "a line that is a list": (
        "rows.jsonl",
        lambda path: path.write_text('{"text": "a"}\n[1]\n'),
        "line 2: this is not a JSON object",
    ),
    "a key twice in one object": (
        "rows.jsonl",
        lambda path: path.write_text('{"text": "a", "n": 1, "n": 2}\n'),
        "line 1: .*specified twice",
    ),
    "a key with two types": (
        "rows.jsonl",
        lambda path: path.write_text('{"text": "a", "m": {"k": [1]}}\n{"m": {"k": ["x"]}}\n'),
        r"line 2: the key 'm\.k\[\]' is string here, and int64 in the lines before\. Give",
    ),
    "a key that is not UTF-8": (
        "rows.jsonl",
        lambda path: path.write_bytes(b'{"text": "a", "caf\xe9": 1}\n'),
        r"name is not UTF-8: b'caf\\xe9'",
    ),
    "a column name that is not UTF-8": (
        "rows.csv",
        lambda path: path.write_bytes(b"text,caf\xe9\na,1\n"),
        r"name is not UTF-8: b'caf\\xe9'",
    ),
    "another encoding": (
        "rows.jsonl",
        lambda path: path.write_bytes('{"text": "a"}\n'.encode("utf-16")),
        "line 1: this is not a JSON object: .*--encoding utf-16",
    ),
    "an empty CSV": ("rows.csv", lambda path: path.write_text(""), "Empty CSV"),
    "a CSV with nothing but a header": (
        "rows.csv",
        lambda path: path.write_text("text,n\n"),
        "has no rows",
    ),
    "a CSV with a delimiter that may be two": (
        "rows.csv",
        lambda path: path.write_text("id,text,a;text;b\n"),
        "may be separated by comma or semicolon: .*--delimiter",
    ),
    "a CSV without a text and another delimiter": (
        "rows.csv",
        lambda path: path.write_text("body;n\na;1\n"),
        r"its columns are 'body;n'.*--text-column.*--delimiter ';'",
    ),
    "UTF-16 in a CSV": (
        "rows.csv",
        lambda path: path.write_bytes("text,n\na,1\n".encode("utf-16")),
        "--encoding utf-16",
    ),
    "a quote that is not closed": (
        "rows.csv",
        lambda path: path.write_text('n,text\n1,"a\n2,b\n'),
        r"rows\.csv ends within a quote, of the value that begins with 'a\\n2,b",
    ),
    "a quote that is not closed in an archive": (
        "rows.csv.gz",
        lambda path: path.write_bytes(gzip.compress(b'n,text\n1,b\n2,"a\n3,b\n')),
        "ends within a quote",
    ),
    "a quote that is not closed for long": (
        "rows.csv",
        lambda path: path.write_text('text\n"a\n' + "b\n" * (20 << 20)),
        "a quote that is not closed",
    ),
    "only rows that are no documents": (
        "rows.csv",
        lambda path: path.write_text("id,text\na,\nb,  \n"),
        "No row of .* can be a document: 2 × empty text",
    ),
    "an empty folder": ("rows", lambda path: path.mkdir(), "has no files"),
    "a ragged CSV": (
        "rows.csv",
        lambda path: path.write_text("text,n\na,1\nb\nc,2,3\n"),
        r"rows\.csv",
    ),
    "two columns of one name": (
        "rows.csv",
        lambda path: path.write_text("text,n,n\na,1,2\n"),
        "two columns called 'n'",
    ),
    "a name that does not tell": ("rows.xyz", lambda path: path.write_text("a"), "--format"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_cannot_be_read_is_one_clear_error(tmp_path: Path, lake: Lake, mistake: str) -> None:
    name, write, said = MISTAKES[mistake]
    write(tmp_path / name)
    with pytest.raises(CorpusError, match=said) as caught:
        imported(lake, tmp_path / name)
    assert caught.value.message.isprintable()
    with pytest.raises(NotFound):
        Documents.open(lake, "c")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="There is no file or folder"):
        open_source(str(tmp_path / "none.parquet"))
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "a.csv").write_text("text\nx\n")
    (tmp_path / "mixed" / "b.jsonl").write_text('{"text": "x"}\n')
    with pytest.raises(CorpusError, match="must have files of one format"):
        open_source(str(tmp_path / "mixed"))
    with pytest.raises(InvalidInput, match="parquet, jsonl"):
        open_source(str(tmp_path / "mixed"), format="xlsx")
    with pytest.raises(CorpusError, match="write hf://owner/name"):
        open_source("hf://nonsense")


def test_files_of_one_folder_must_agree(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "parts").mkdir()
    pq.write_table(pa.table({"text": ["a"], "n": [1]}), tmp_path / "parts" / "a.parquet")
    pq.write_table(pa.table({"text": ["b"], "n": ["one"]}), tmp_path / "parts" / "b.parquet")
    with pytest.raises(CorpusError, match=r"b\.parquet: column 'n' does not fit"):
        imported(lake, tmp_path / "parts")


def test_types_that_change_late_are_said_with_their_line(tmp_path: Path, lake: Lake) -> None:
    """Types are inferred from the first 16 MiB."""
    filler = "x" * (1 << 20)
    lines = jsonl([{"text": filler, "n": i} for i in range(17)])
    said = "line 18: the key 'n' is string here, and int64"
    (tmp_path / "rows.jsonl").write_bytes(lines + jsonl([{"text": "a", "n": "one"}]))
    with pytest.raises(CorpusError, match=said) as caught:
        imported(lake, tmp_path / "rows.jsonl")
    assert caught.value.data == {"file": "rows.jsonl", "line": "18"}
    rows = "".join(f"{filler},{i}\n" for i in range(17))
    (tmp_path / "rows.csv").write_text(f"text,n\n{rows}a,one\n")
    with pytest.raises(CorpusError, match=r"rows\.csv, row 17 .* column 'n' is 'one' here") as late:
        imported(lake, tmp_path / "rows.csv")
    assert late.value.data["row"] == "17"
    with pytest.raises(NotFound):
        Documents.open(lake, "c")


def test_types_that_widen_late_are_read_from_the_beginning(tmp_path: Path, lake: Lake) -> None:
    """Types are inferred from the first 16 MiB; what comes later widens them."""
    filler = "x" * (1 << 20)
    rows: list[dict[str, Any]] = [{"text": filler, "n": i, "m": None} for i in range(17)]
    rows += [{"text": "a", "n": 0.5, "m": 7, "new": "y"}, {"text": "b", "n": 1, "m": 8}]
    (tmp_path / "rows.jsonl").write_bytes(jsonl(rows))
    assert imported(lake, tmp_path / "rows.jsonl").n_documents == 19
    for name in ("n", "m", "new"):
        assert [d[name] for d in documents(lake)] == [row.get(name) for row in rows], name
    lines = "".join(f"{row['text']},{row['n']},{row['m'] or ''}\n" for row in rows)
    (tmp_path / "rows.csv").write_text(f"text,n,m\n{lines}")
    stored = Lake(str(tmp_path / "other"))
    assert imported(stored, tmp_path / "rows.csv").n_documents == 19
    for name in ("n", "m"):
        assert [d[name] for d in documents(stored)] == [row[name] for row in rows], name


SURROGATES = {
    "high": "\\ud83d half",
    "low": "half \\uDe00",
    "turned around": "\\ude00\\ud83d",
    "twice": "\\ud83d\\ud83d\\ude00",
    "after a backslash": "\\\\\\ud83d",
    "at the end": "x\\udfff",
}


@pytest.mark.parametrize("where", ["text", "note", "id"])
@pytest.mark.parametrize("kind", SURROGATES)
def test_a_lone_surrogate_costs_its_row_alone(
    tmp_path: Path, lake: Lake, kind: str, where: str
) -> None:
    lines = [f'{{"id":"{i}","text":"row {i} \\ud83d\\ude00","note":"n"}}' for i in range(2000)]
    row = {"id": "x", "text": "t", "note": "n", where: SURROGATES[kind]}
    lines[700] = "{" + ",".join(f'"{key}":"{value}"' for key, value in row.items()) + "}"
    lines[701] = '{"id":"701","text":"no surrogate: \\\\ud83d","note":"n"}'
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    report = imported(lake, tmp_path / "rows.jsonl")
    assert (report.n_documents, report.reasons) == (1999, {"invalid UTF-8": 1})
    assert report.examples == ("rows.jsonl, row 700: invalid UTF-8",)
    (skipped,) = read(lake.skipped("c"), ["source", "row", "reason"]).to_pylist()
    assert skipped == {"source": "rows.jsonl", "row": 700, "reason": "invalid UTF-8"}
    found = documents(lake)
    assert found[0]["text"] == "row 0 \U0001f600"
    assert found[700]["text"] == "no surrogate: \\ud83d"


def test_only_lone_surrogates_in_a_block_are_no_documents(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text":"\\ud83d"}\n' * 3)
    with pytest.raises(CorpusError, match="3 × invalid UTF-8"):
        imported(lake, tmp_path / "rows.jsonl")


BAD_BYTES: dict[str, Callable[[Path], object]] = {
    "rows.csv": lambda path: path.write_bytes(
        b"id,text,note\na,fine,n\nb,caf\xe9,n\nd,x,caf\xe9\n"
    ),
    "rows.tsv": lambda path: path.write_bytes(b"id\ttext\na\tfine\nb\tcaf\xe9\nd\t\xff\n"),
    "rows.jsonl": lambda path: path.write_bytes(
        b'{"text":"fine"}\n{"text":"caf\xe9"}\n{"text":"x","note":"\xff"}\n'
    ),
    "rows.parquet": lambda path: pq.write_table(
        pa.table({"text": pa.array([b"fine", b"caf\xe9", b"\xff"]).cast(pa.string(), safe=False)}),
        path,
    ),
    "large.parquet": lambda path: pq.write_table(
        pa.table(
            {"text": pa.array([b"a", b"caf\xe9", b"\xff"]).cast(pa.large_string(), safe=False)}
        ),
        path,
    ),
    "kinds.parquet": lambda path: pq.write_table(
        pa.table(
            {
                "text": ["a", "b", "d"],
                "kind": pa.array([b"a", b"caf\xe9", b"\xff"])
                .cast(pa.string(), safe=False)
                .dictionary_encode(),
            }
        ),
        path,
    ),
}


@pytest.mark.parametrize("name", BAD_BYTES)
def test_bytes_that_are_not_utf8_cost_their_rows_alone(
    tmp_path: Path, lake: Lake, name: str
) -> None:
    BAD_BYTES[name](tmp_path / name)
    report = imported(lake, tmp_path / name)
    assert (report.n_documents, report.reasons) == (1, {"invalid UTF-8": 2})
    assert [s["row"] for s in read(lake.skipped("c"), ["row"]).to_pylist()] == [1, 2]
