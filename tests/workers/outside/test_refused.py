"""What is not right is refused in one clear error, and nothing of it is in the lake."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

import saelake
from saelake.store.errors import AlreadyExists, CorpusError, InvalidInput, SaelakeError

ROWS = [
    {"id": "a", "text": "some rain", "vector": {"rain": 1.0, "sun": 0.5}},
    {"id": "b", "text": "no sun", "vector": {"sun": 2.0}},
]


def with_row(**row: Any) -> list[dict[str, Any]]:
    return [*ROWS, {"id": "c", "text": "a text", "vector": {}, **row}]


BAD_ROWS: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "a value that is no number": (with_row(vector={"rain": "1"}), {}, "row 2: .*'1', which is no"),
    "NaN": (with_row(vector={"rain": float("nan")}), {}, "row 2: .*'rain' is nan"),
    "an infinity": (with_row(vector={"rain": float("inf")}), {}, "row 2: .*no finite number"),
    "too large": (with_row(vector={"rain": 1e30}), {}, "row 2: .*too large.*4.29"),
    "far too large": (with_row(vector={"rain": 10**400}), {}, "row 2: .*no finite number"),
    "below 0": (with_row(vector={"sun": -1.0}), {}, "row 2: .*'sun' is -1.*--signed"),
    "an id twice": ([*ROWS, ROWS[0]], {}, "the id 'a' twice"),
    "no id": (with_row(id=None), {}, "row 2: the id is missing"),
    "an id that is no text": (with_row(id=1.5), {}, "row 2: the id is 1.5"),
    "half a character": (with_row(id="\ud800"), {}, "row 2: the id is no text"),
    "no vector": (with_row(vector=None), {}, "row 2: 'vector' is missing"),
    "a vector that is none": (with_row(vector=[1, 2]), {}, "row 2: 'vector' is a list of 2"),
    "no vectors at all": ([{"id": "a", "text": "b"}], {}, "has no column 'vector'"),
    "no rows": ([], {}, "nothing to import"),
    "names and numbers": (with_row(vector={"12": 1.0}), {}, "names, as 'rain'.*'12'.*--keys names"),
    "numbers in one row": (with_row(vector={12: 1.0}), {}, "names, as 'rain'.*numbers, as 12"),
    "both in one vector": (with_row(vector={12: 1.0, "x": 1}), {}, "row 2: some features have nam"),
    "names where numbers are": (ROWS, {"keys": "numbers"}, "'rain' is none"),
    "half a name": (with_row(vector={"\udc00": 1.0}), {}, "half a character"),
    "a fraction of a feature": (with_row(vector={1.5: 1.0}), {}, "row 2: 1.5 is no feature"),
    "too few features": (ROWS, {"width": 1}, "room for 1 features, .* 2 names.*--width"),
    "no row but a number": ([*ROWS, 3], {}, "row 2: this is int"),
    "spans without a place": (ROWS, {"unit": "span"}, "no columns 'start' and 'end'"),
    "uneven lists": (
        [{"id": "a", "text": "b", "indices": [1, 2], "values": [1.0]}],
        {},
        "row 0: features and values are two lists of one length.*2.*1",
    ),
    "a feature twice": (
        [{"id": "a", "text": "b", "indices": [1, 1], "values": [1.0, 2.0]}],
        {},
        "row 0: feature 1 is there twice",
    ),
    "no such feature": (
        [{"id": "a", "text": "b", "indices": [1 << 24], "values": [1.0]}],
        {},
        "row 0: 16777216 is no number of a feature",
    ),
    "a width too small": (
        [{"id": "a", "text": "b", "indices": [7], "values": [1.0]}],
        {"width": 7},
        "has feature 7, and v has the features 0 to 6.*--width 8",
    ),
    "nothing is a document": (
        [{"id": "a", "text": " ", "vector": {"x": 1.0}}],
        {},
        "No row of rows can be a document",
    ),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_rows(case: str, tmp_path: Path) -> None:
    rows, options, said = BAD_ROWS[case]
    lake = saelake.connect(tmp_path / "lake")
    with pytest.raises(SaelakeError, match=f"(?is){said}"):
        lake.import_codes(rows, "c/v", **options)
    assert not (tmp_path / "lake").exists() or not list((tmp_path / "lake").glob("*/_versions"))


LINES = [json.dumps(row) for row in ROWS]
BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "cut off": ("v.jsonl", "\n".join([*LINES, LINES[0][:30]]).encode(), "line 3: .*whole JSON"),
    "an array": ("v.jsonl", json.dumps(ROWS).encode(), "line 1: .*not a JSON object"),
    "a key twice": ("v.jsonl", b'{"id": "a", "vector": {"x": 1, "x": 2}}', "line 1: 'x' is there"),
    "not UTF-8": ("v.jsonl", b'{"id": "\xff"}', "line 1: this is not UTF-8"),
    "another format": ("v.txt", b"rain 1.0", "no vectors that can be read"),
    "no archive": ("v.npz", b"PK\3\4 but not for long", "cannot be read as an .npz"),
    "no Parquet": ("v.parquet", b"PAR1", "v.parquet cannot be read"),
    "nothing": ("v.jsonl", b"", "no rows"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_files(case: str, tmp_path: Path) -> None:
    name, content, said = BAD_FILES[case]
    (tmp_path / name).write_bytes(content)
    ids: dict[str, Any] = {"ids": ["a"]} if name.endswith("npz") else {}
    with pytest.raises(CorpusError, match=f"(?s){said}"):
        saelake.connect(tmp_path / "lake").import_codes(tmp_path / name, "c/v", **ids)
    assert not (tmp_path / "lake").exists()


@pytest.fixture
def lake(tmp_path: Path) -> saelake.Lake:
    """A lake with two documents, of which none has codes."""
    opened = saelake.connect(tmp_path / "lake")
    opened.import_corpus([{"id": "a", "text": "some rain"}, {"id": "b", "text": "no sun"}], "c")
    return opened


def span(own: str, start: int, end: int, **more: Any) -> dict[str, Any]:
    return {"id": own, "start": start, "end": end, "vector": {"x": 1.0}, **more}


BAD_SPANS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "beyond the text": ([span("a", 0, 10)], "'a': characters 0 to 10 are not all in its text"),
    "end before they begin": ([span("b", 3, 2)], "'b': characters 3 to 2 end before"),
    "twice": ([span("a", 0, 4), span("a", 5, 9), span("a", 0, 4)], "0 to 4 are there twice"),
    "a gap": ([span("a", 0, 4, position=0), span("a", 5, 9, position=2)], "5 to 9 are not at the"),
    "no whole number": ([span("a", -1, 4)], "row 0: 'start' is -1"),
    "of no document": ([span("a", 0, 4), span("x", 0, 1)], "1 of the 2 documents.*'x'.*--on-unk"),
    "of none at all": ([span("x", 0, 1)], "None of the 1 documents"),
}


@pytest.mark.parametrize("case", BAD_SPANS)
def test_spans(case: str, lake: saelake.Lake) -> None:
    rows, said = BAD_SPANS[case]
    with pytest.raises(CorpusError, match=f"(?s){said}"):
        lake.import_codes(rows, "c/v", unit="span")
    assert lake.collections() == []
    assert [row.name for row in lake.info()] == ["c"]


def test_a_row_of_no_document_can_be_left_out(lake: saelake.Lake) -> None:
    rows = [span("a", 0, 4), span("x", 0, 1), span("y", 0, 1)]
    report = lake.import_codes(rows, "c/v", unit="span", on_unknown="skip")
    assert (report.n_documents, report.n_unknown, report.unknown) == (1, 2, ("x", "y"))
    with pytest.raises(CorpusError, match="None of the 1"):
        lake.import_codes([span("x", 0, 1)], "c/v", unit="span", on_unknown="skip")


MATRIX = sparse.csr_matrix(np.array([[0, 1.5], [2.0, 0]]))
BAD_MATRICES: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "nobody says of what": (lambda: MATRIX, {}, "does not say of which documents.*--by-number"),
    "said twice": (lambda: MATRIX, {"ids": ["a", "b"], "by_number": True}, "said twice"),
    "too few ids": (lambda: MATRIX, {"ids": ["a"]}, "has 2 rows, and there are 1 ids"),
    "more rows than documents": (
        lambda: sparse.vstack([MATRIX, MATRIX]),
        {"by_number": True},
        "4 rows, and c 2 documents.*not clear",
    ),
    "an entry twice": (
        lambda: sparse.csr_matrix(([1.0, 2.0], [1, 1], [0, 2, 2]), shape=(2, 2)),
        {"by_number": True},
        "row 0: feature 1 is there twice",
    ),
    "not finite": (
        lambda: sparse.csr_matrix(np.array([[np.nan], [1.0]])),
        {"by_number": True},
        "row 0: the value of feature 0 is nan",
    ),
    "ids of rows that have their own": (lambda: ROWS, {"ids": ["a", "b"]}, "an id in each row"),
    "a tokenizer of none": (lambda: ROWS, {"tokenizer": "gpt2"}, "no cache of delphi"),
    "no vectors": (lambda: 3, {}, "int has no vectors"),
}


@pytest.mark.parametrize("case", BAD_MATRICES)
def test_matrices(case: str, lake: saelake.Lake) -> None:
    made, options, said = BAD_MATRICES[case]
    with pytest.raises((CorpusError, InvalidInput), match=f"(?s){said}"):
        lake.import_codes(made(), "c/v", **options)
    assert lake.collections() == []


def test_numbers_of_documents_are_not_clear_where_some_are_deleted(lake: saelake.Lake) -> None:
    lake.delete("c", ids=["a"])
    with pytest.raises(CorpusError, match="of which 1 are deleted"):
        lake.import_codes(MATRIX, "c/v", by_number=True)


def test_files_of_matrices(lake: saelake.Lake, tmp_path: Path) -> None:
    def refused(said: str, **more: Any) -> None:
        with pytest.raises(CorpusError, match=f"(?s){said}"):
            lake.import_codes(tmp_path / "v.npz", "c/v", by_number=True, **more)

    sparse.save_npz(tmp_path / "v.npz", MATRIX.tocsc())
    refused("in the form csc")
    np.savez(tmp_path / "v.npz", a=np.ones(2))
    refused("no sparse matrix")
    parts: dict[str, Any] = {
        "data": np.ones(2),
        "indices": np.zeros(2, int),
        "shape": [2, 2],
        "format": b"csr",
    }
    np.savez(tmp_path / "v.npz", indptr=[0, 1, 3], **parts)
    refused("is damaged")
    np.savez(tmp_path / "v.npz", indptr=[0, 1, 2], **parts | {"indices": np.array([0, 5])})
    refused("a column is none of the 2")
    odd = np.array([1.0, None], object)
    np.savez(tmp_path / "v.npz", indptr=[0, 1, 2], **parts | {"data": odd})
    refused("objects of Python")


def test_columns_of_tables(lake: saelake.Lake, tmp_path: Path) -> None:
    def refused(table: dict[str, Any], said: str) -> None:
        pq.write_table(pa.table(table), tmp_path / "v.parquet")
        with pytest.raises(CorpusError, match=f"(?s){said}"):
            lake.import_codes(tmp_path / "v.parquet", "c/v")

    ids = {"id": ["a", "b"]}
    refused({**ids, "indices": [[1], [2]], "values": [[1.0], [1.0, 2.0]]}, "row 1: .*lengths")
    refused({**ids, "indices": [[1], None], "values": [[1.0], [1.0]]}, "row 1: 'indices' is miss")
    refused({**ids, "indices": [1, 2], "values": [1.0, 2.0]}, "has type int64, and is to be of l")
    refused({**ids, "indices": [[1], [2]], "values": [["x"], ["y"]]}, "values are string")
    refused({**ids, "indices": [[-1], [2]], "values": [[1.0], [2.0]]}, "-1 is no number of a fea")
    refused({"indices": [[1]], "values": [[1.0]]}, "has no column 'id'.*--id-column")
    refused({**ids, "indices": [[0.5], [2]], "values": [[1.0], [2.0]]}, "features are double")


def test_a_collection_is_of_one_kind(lake: saelake.Lake) -> None:
    row = {"id": "a", "vector": {"x": 1.0}}
    lake.import_codes([row], "c/v", width=8)
    for options, said in (
        ({"signed": True}, "signed = False"),
        ({"width": 9}, "width = 8 .now 9"),
        ({"values": "8-bit"}, "values = '16-bit'"),
        ({"keys": "numbers"}, "have names"),
    ):
        with pytest.raises(AlreadyExists, match=said):
            lake.import_codes([row], "c/v", **options)
    with pytest.raises(AlreadyExists, match="unit = 'document'"):
        lake.import_codes([span("b", 0, 2)], "c/v", unit="span")
    with pytest.raises(InvalidInput, match="A width of 9,000,000"):
        lake.import_codes([row], "c/w", signed=True, width=9_000_000)
    assert lake.collections() == ["c/v"]


def test_a_name_is_no_way_out_of_a_lake(lake: saelake.Lake) -> None:
    with pytest.raises(InvalidInput, match="cannot be the name"):
        lake.import_codes(ROWS, "../x/v")
