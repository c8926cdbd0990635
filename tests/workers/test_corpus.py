"""Files and data sets as documents: what is kept, and what is said of those that cannot be read."""

import bz2
import datetime
import decimal
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from saelake.store.documents import Documents, ImportReport, import_documents
from saelake.store.errors import CorpusError, InvalidInput, NotFound
from saelake.store.lake import Lake
from saelake.store.tables import read
from saelake.workers.corpus import open_source

TEXTS = ["rain", "slow über 日本", "end"]


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


def test_a_long_document_is_kept_whole(tmp_path: Path, lake: Lake) -> None:
    text = "long " * (10 * 2**20 // 5)
    (tmp_path / "rows.jsonl").write_bytes(jsonl([{"text": "short"}, {"text": text}]))
    imported(lake, tmp_path / "rows.jsonl")
    assert documents(lake)[1]["text"] == text


def damaged(path: Path) -> None:
    pq.write_table(pa.table({"text": ["x"] * 1000}), path)
    path.write_bytes(path.read_bytes()[:-50])


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
    assert "\n" not in caught.value.message
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
