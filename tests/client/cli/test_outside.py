"""The command that imports codes which another system made, and what it says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from tests.client.cli.command import asked, run

ROWS = [
    {"id": "a", "text": "some rain", "vector": {"rain": 1.5, "some": 0.25}},
    {"id": "b", "text": "no sun", "vector": {"sun": 2.0}},
]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)


def answered(*arguments: str) -> Any:
    return json.loads(asked(*arguments, "--format", "json"))


def test_vectors_become_a_collection_that_is_asked(tmp_path: Path) -> None:
    lake, file = str(tmp_path / "lake"), write(tmp_path / "v.jsonl", ROWS)
    done = run("import-codes", file, "c/splade", "--lake", lake, "--made-by", "splade-v3")
    assert done.code == 0, done.err
    assert "Imported 2 documents into c" in done.err
    assert done.err.splitlines()[-1] == "Done: c/splade has 2 documents, 3 codes"
    again = run("import-codes", file, "c/splade", "--lake", lake)
    assert "0 documents got codes; 2 had these already" in again.err
    assert run("index", "c/splade", "--lake", lake).code == 0
    found = answered("features", "c/splade", "--name", "rain", "--lake", lake)
    (feature,) = found["features"]
    assert (feature["label"], feature["document_frequency"]) == ("rain", 1)
    hits = answered("tokens", "c/splade", str(feature["feature"]), "--lake", lake)["hits"]
    assert [(hit["id"], hit["value"]) for hit in hits] == [("a", 1.5)]
    said = run("info", "--lake", lake).out
    assert "2 documents, 3 codes" in said
    assert "64 features of documents, made by splade-v3" in said
    (row,) = answered("info", "--lake", lake)["collections"]
    assert (row["unit"], row["n_tokens"]) == ("document", 2)
    out = tmp_path / "out.jsonl"
    said = run("export", "c/splade", "--vectors", str(out), "--with-texts", "--lake", lake).err
    assert "Wrote 2 vectors" in said
    assert [json.loads(line) for line in out.read_text().splitlines()] == ROWS


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    run("import-codes", write(tmp_path / "v.jsonl", ROWS), "c/v", "--lake", lake)
    changed: list[dict[str, Any]] = [
        {"id": "a", "vector": {"rain": 9}, "grade": 5},
        {"id": "z", "vector": {"rain": 1}},
    ]
    file = write(tmp_path / "w.jsonl", changed)
    refused = run("import-codes", file, "c/v", "--lake", lake)
    assert refused.code == 1
    assert "1 of the 2 documents of" in refused.err
    said = run("import-codes", file, "c/v", "--on-unknown", "skip", "--lake", lake).err
    assert "1 document had another vector before, and kept it: use --on-duplicate update" in said
    assert "1 row of no document left out (first 'z')" in said
    assert "'grade'" in said
    rest = ("--on-unknown", "skip", "--on-duplicate", "update", "--lake", lake)
    assert (
        "1 document got codes, 1 of them in place of others"
        in run("import-codes", file, "c/v", *rest).err
    )


def test_spans_of_a_table_and_rows_of_a_matrix(tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    run("import-codes", write(tmp_path / "v.jsonl", ROWS), "c/v", "--lake", lake)
    spans = {"id": ["a", "a"], "start": [0, 5], "end": [4, 9]}
    table = pa.table({**spans, "indices": [[1], [2]], "values": [[-1.0], [2.0]]})
    pq.write_table(table, tmp_path / "s.parquet")
    how = ("--unit", "span", "--signed", "--width", "8", "--lake", lake)
    said = run("import-codes", str(tmp_path / "s.parquet"), "c/s", *how).err
    assert said.splitlines()[-1] == "Done: c/s has 1 document, 2 spans, 2 codes"
    sparse.save_npz(tmp_path / "m.npz", sparse.csr_matrix(np.eye(2)))
    matrix = str(tmp_path / "m.npz")
    done = run("import-codes", matrix, "c/m", "--by-number", "--lake", lake)
    assert done.err.splitlines()[-1] == "Done: c/m has 2 documents, 2 codes"
    wrong = run("import-codes", str(tmp_path / "s.parquet"), "c/t", "--lake", lake)
    assert (wrong.code, "--unit span" in wrong.err) == (1, True)


def test_through_a_server_it_says_where_it_works(tmp_path: Path) -> None:
    file = write(tmp_path / "v.jsonl", ROWS)
    done = run("import-codes", file, "c/v", "--server", "127.0.0.1:9")
    assert done.code == 2
    assert "Cannot import codes through a server. Run this where the lake is" in done.err
