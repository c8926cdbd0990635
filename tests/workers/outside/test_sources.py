"""One collection, whatever form its vectors had."""

import gzip
import json
import sys
from io import BytesIO, TextIOWrapper
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file
from scipy import sparse
from tokenizers import Tokenizer

import saelake
from saelake.store.errors import CorpusError
from tests.tiny import save_model

TEXTS = {"a": "some rain", "b": "no sun", "c": "überall"}
DENSE = np.array([[0, 1.5, 0, 3], [2, 0, 0, 0.25], [0, 0, 0, 0]], np.float32)
CODES = [("a", 1, 1.5), ("a", 3, 3.0), ("b", 0, 2.0), ("b", 3, 0.25)]


def vectors() -> list[tuple[str, list[int], list[float]]]:
    rows = zip(TEXTS, DENSE, strict=True)
    return [(own, np.flatnonzero(row).tolist(), row[row != 0].tolist()) for own, row in rows]


@pytest.fixture
def lake(tmp_path: Path) -> saelake.Lake:
    opened = saelake.connect(tmp_path / "lake")
    opened.import_corpus([{"id": own, "text": text} for own, text in TEXTS.items()], "c")
    return opened


def codes(lake: saelake.Lake, name: str = "c/v") -> list[tuple[str, int, float]]:
    rows = lake[name].codes().read_all().to_pylist()
    assert all(row["token_id"] is None for row in rows)
    return [(row["id"], row["feature"], row["value"]) for row in rows]


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


ROWS: dict[str, list[dict[str, Any]]] = {
    "an object": [
        {"id": own, "vector": {str(f): v for f, v in zip(fs, vs, strict=True)}}
        for own, fs, vs in vectors()
    ],
    "lists": [{"id": own, "indices": fs, "values": vs} for own, fs, vs in vectors()],
    "lists in an object": [
        {"doc_id": own, "vector": {"indices": fs, "values": vs}} for own, fs, vs in vectors()
    ],
}


@pytest.mark.parametrize("form", ROWS)
def test_json_lines(lake: saelake.Lake, tmp_path: Path, form: str) -> None:
    (tmp_path / "v.jsonl").write_bytes(lines(ROWS[form][:2]))
    (tmp_path / "w.jsonl.gz").write_bytes(gzip.compress(b"\n\n" + lines(ROWS[form][2:]) + b"\n"))
    report = lake.import_codes(str(tmp_path / "*.jsonl*"), "c/v", width=4)
    assert (report.n_documents, report.n_units, report.n_codes) == (3, 3, 4)
    assert codes(lake) == CODES


def test_standard_input(lake: saelake.Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(lines(ROWS["lists"]))))
    lake.import_codes("-", "c/v")
    assert codes(lake) == CODES


@pytest.mark.parametrize("form", ROWS)
def test_rows_in_python(lake: saelake.Lake, form: str) -> None:
    lake.import_codes((row for row in ROWS[form]), "c/v")
    assert codes(lake) == CODES
    numbers = [
        {"id": own, "vector": dict(zip(fs, np.array(vs), strict=True))} for own, fs, vs in vectors()
    ]
    lake.import_codes(numbers, "c/w")
    assert codes(lake, "c/w") == CODES


def table(form: str) -> pa.Table:
    ids, features, values = (list(column) for column in zip(*vectors(), strict=True))
    ids = pa.array(ids).dictionary_encode()
    match form:
        case "lists":
            kind = pa.large_list(pa.float64())
            indices = pa.array(features, pa.list_(pa.int16()))
            return pa.table({"id": ids, "indices": indices, "values": pa.array(values, kind)})
        case "a map":
            pairs = [
                list(zip(fs, vs, strict=True)) for fs, vs in zip(features, values, strict=True)
            ]
            vector = pa.array(pairs, pa.map_(pa.uint32(), pa.float32()))
            return pa.table({"id": ids, "vector": vector})
    rows = [{str(f): v for f, v in zip(fs, vs, strict=True)} for _, fs, vs in vectors()]
    return pa.table({"id": ids, "vector": pa.array(rows)})


@pytest.mark.parametrize("form", ["lists", "a map", "structs"])
def test_tables(lake: saelake.Lake, tmp_path: Path, form: str) -> None:
    pq.write_table(table(form), tmp_path / "v.parquet", row_group_size=2)
    lake.import_codes(tmp_path / "v.parquet", "c/v")
    assert codes(lake) == CODES
    lake.import_codes(table(form).to_reader(max_chunksize=1), "c/w")
    assert codes(lake, "c/w") == CODES
    lake.import_codes(table(form).slice(1).to_pandas(), "c/x") if form != "a map" else None


def test_names_in_lists(lake: saelake.Lake) -> None:
    rows = pa.table({"id": ["a"], "features": [["rain", "sun"]], "values": [[1.0, 2.0]]})
    lake.import_codes(rows, "c/v")
    assert codes(lake) == [("a", 0, 1.0), ("a", 1, 2.0)]
    assert [label.label for label in lake["c/v"].labels()] == ["rain", "sun"]


@pytest.mark.parametrize("compressed", [True, False])
def test_matrices_in_files(lake: saelake.Lake, tmp_path: Path, compressed: bool) -> None:
    sparse.save_npz(tmp_path / "v.npz", sparse.csr_array(DENSE), compressed=compressed)
    (tmp_path / "ids.txt").write_text("a\nb\nc\n")
    lake.import_codes(tmp_path / "v.npz", "c/v", ids=tmp_path / "ids.txt")
    assert codes(lake) == CODES
    assert lake["c/v"].info().d_sae == 4
    lake.import_codes(tmp_path / "v.npz", "c/w", by_number=True)
    assert codes(lake, "c/w") == CODES


def test_matrices_in_python(lake: saelake.Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saelake.workers.outside.matrices.ENTRIES_AT_ONCE", 1)
    lake.import_codes(sparse.coo_matrix(DENSE[::-1]), "c/v", ids=["c", "b", "a"])
    assert codes(lake) == CODES


@pytest.mark.parametrize("signed", [True, False])
def test_what_we_export_is_read_again(lake: saelake.Lake, tmp_path: Path, signed: bool) -> None:
    flip = -1 if signed else 1
    rows = [
        {"id": own, "indices": fs, "values": [flip * vs[0], *vs[1:]] if vs else []}
        for own, fs, vs in vectors()
    ]
    lake.import_codes(rows, "c/v", width=4, signed=signed)
    lake["c/v"].export_embeddings(tmp_path / "v.npz")
    lake.import_codes(tmp_path / "v.npz", "c/w", signed=signed)
    assert codes(lake, "c/w") == codes(lake)
    lake.import_codes(lake["c/v"].embeddings(), "c/x", width=4, signed=signed)
    assert codes(lake, "c/x") == codes(lake)


# -- delphi


TOKENS = np.array([[3, 4, 4, 5], [6, 3, 3, 7], [9, 9, 9, 9]])
FIRED = [(0, 0, 1, 1.0), (0, 3, 5, 2.0), (1, 0, 0, 0.5), (1, 0, 5, 4.0), (2, 3, 2, 3.0)]


def save_cache(folder: Path, *, kind: Any = np.uint16, bounds: tuple[int, ...] = (0, 3, 6)) -> None:
    folder.mkdir(parents=True)
    for first, end in pairwise(bounds):
        mine = [fired for fired in FIRED if first <= fired[2] < end]
        locations = np.array([(s, p, f - first) for s, p, f, _ in mine], kind).reshape(-1, 3)
        values = np.array([value for *_, value in mine], np.float16)
        arrays = {"locations": locations, "activations": values, "tokens": TOKENS}
        save_file(arrays, folder / f"{first}_{end - 1}.safetensors")
    (folder / "config.json").write_text('{"model_name": "m"}')


@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
def test_caches_of_delphi(tmp_path: Path, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saelake.workers.outside.delphi.SEQUENCES_AT_ONCE", 2)
    save_cache(tmp_path / "latents" / "layers.1", kind=kind)
    lake = saelake.connect(tmp_path / "lake")
    report = lake.import_codes(tmp_path / "latents" / "layers.1", "c/v", made_by="an SAE")
    assert (report.n_documents, report.n_units, report.n_codes) == (3, 12, 5)
    rows = lake["c/v"].codes().read_all().to_pylist()
    found = [(r["doc"], r["position"], r["feature"], r["value"]) for r in rows]
    assert found == FIRED
    assert [row["token_id"] for row in rows] == [TOKENS[s, p] for s, p, *_ in FIRED]
    lake.index("c/v")
    (hit,) = lake["c/v"].tokens(2)
    assert (hit.id, hit.token, hit.text, hit.position) == ("layers.1:2", "9", "9 9 9 9", 3)
    info = lake["c/v"].info()
    assert (info.unit, info.n_tokens, info.d_sae, info.model) == ("token", 12, 6, "an SAE")
    again = lake.import_codes(tmp_path / "latents" / "layers.1", "c/v")
    assert (again.n_documents, again.n_known) == (0, 3)


def test_tokens_of_delphi_in_words(tmp_path: Path) -> None:
    model = save_model(tmp_path / "model")
    save_cache(tmp_path / "layers.1")
    lake = saelake.connect(tmp_path / "lake")
    lake.import_codes(tmp_path / "layers.1", "c/v", tokenizer=str(model))
    lake.index("c/v")
    (hit,) = lake["c/v"].tokens(2)
    assert hit.token == Tokenizer.from_file(str(model / "tokenizer.json")).decode([9]) != "9"
    assert hit.text == 4 * hit.token
    assert [top.token for top in lake["c/v"].feature(2).top_tokens] == [hit.token]


def test_caches_that_are_not_whole(tmp_path: Path) -> None:
    lake = saelake.connect(tmp_path / "lake")

    def refused(folder: Path, said: str) -> None:
        with pytest.raises(CorpusError, match=f"(?s){said}"):
            lake.import_codes(folder, "c/v")
        assert not (tmp_path / "lake").exists()

    save_cache(tmp_path / "a")
    (tmp_path / "a" / "0_2.safetensors").unlink()
    refused(tmp_path / "a", "lacks the first latents")
    save_cache(tmp_path / "b", bounds=(0, 2, 4, 6))
    (tmp_path / "b" / "2_3.safetensors").unlink()
    refused(tmp_path / "b", "lacks the latents 2 to 3")
    save_cache(tmp_path / "c")
    (tmp_path / "c" / "0_2.safetensors").write_bytes(b"\0" * 20)
    refused(tmp_path / "c", "cannot be read")
    save_cache(tmp_path / "d", bounds=(0, 6))
    places = np.array([(s, p, f) for s, p, f, _ in FIRED], np.uint16)
    arrays = {"locations": places, "activations": np.ones(5, np.float16), "tokens": TOKENS}

    def broken(said: str, **changed: Any) -> None:
        whole = {name: array for name, array in (arrays | changed).items() if array is not None}
        save_file(
            {n: np.ascontiguousarray(a) for n, a in whole.items()},
            tmp_path / "d" / "0_5.safetensors",
        )
        refused(tmp_path / "d", said)

    broken("has no tokens", tokens=None)
    broken("not in the order", locations=places[::-1])
    broken("sequence 2, without tokens", tokens=TOKENS[:2])
    broken("do not fit", activations=np.ones(4, np.float16))
    broken("a latent that is not between", locations=places + np.array([0, 0, 9], np.uint16))
    broken("beyond the 4 tokens", locations=places + np.array([0, 9, 0], np.uint16))
    broken("no finite number", activations=np.full(5, np.inf, np.float16))
    broken("no cache of delphi", activations=None)
