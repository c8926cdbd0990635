"""Vectors that were exported are read again as they were, and by any program that reads JSON."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saelake
from saelake.store.errors import InvalidInput
from tests.lakes import make_lake
from tests.workers.outside.vectors import Documents


def lines(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    return [json.loads(line) for line in content.decode().splitlines()]


def codes(lake: saelake.Lake, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = lake[name].codes().read_all().to_pylist()
    return rows


def by_name(lake: saelake.Lake, name: str) -> list[tuple[Any, ...]]:
    """The codes, with features by name: numbers are in the order in which names were met."""
    labels = lake.dictionary(name.partition("/")[2]).labels(k=None, explainers=["names"])
    called = {label.feature: label.label for label in labels}
    rows = codes(lake, name)
    return sorted((r["doc"], r["position"], called[r["feature"]], r["value"]) for r in rows)


@settings(max_examples=8)
@given(
    unit=st.sampled_from(["document", "span", "token"]),
    signed=st.booleans(),
    seed=st.integers(0, 99),
    zipped=st.booleans(),
)
def test_what_was_exported_is_imported_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, unit: Any, signed: bool, seed: int, zipped: bool
) -> None:
    folder = tmp_path_factory.mktemp("round")
    made = Documents.drawn(seed, unit=unit, signed=signed)
    lake = saelake.connect(folder / "lake")
    lake.import_corpus([{"id": d, "text": t} for d, t in made.texts.items()], "c")
    rows = made.rows(unit=unit, with_texts=False)
    lake.import_codes(rows, "c/v", unit=unit, signed=signed, keys="names")
    path = folder / f"v.jsonl{'.gz' if zipped else ''}"
    assert lake["c/v"].export_vectors(path, by="unit") == len(rows)
    if unit == "document":
        n = lake["c/v"].export_vectors(path, texts=True)
        assert n == len(made.texts)
        assert {row["id"]: row["text"] for row in lines(path)} == made.texts
    again = saelake.connect(folder / "again") if unit == "document" else lake
    name = "c/v" if unit == "document" else "c/w"
    report = again.import_codes(path, name, unit=unit, signed=signed, keys="names")
    assert report.n_units == len(rows)
    assert by_name(again, name) == by_name(lake, "c/v")
    assert lake["c/v"].export_vectors(folder / "first.jsonl") == len(made.texts)
    assert again[name].export_vectors(folder / "second.jsonl") == len(made.texts)
    assert lines(folder / "first.jsonl") == lines(folder / "second.jsonl")
    for row in lines(folder / "first.jsonl"):
        strongest: dict[str, float] = {}
        for each in made.units[row["id"]]:
            for feature, value in each.vector.items():
                if value and abs(value) > abs(strongest.get(feature, 0.0)):
                    strongest[feature] = value
        assert {f: abs(v) for f, v in row["vector"].items()} == {
            f: abs(v) for f, v in strongest.items()
        }


@pytest.mark.parametrize("signed", [True, False])
def test_codes_of_a_model_leave_and_come_back(tmp_path: Path, signed: bool) -> None:
    """Values of a dictionary here, by the numbers of its features."""
    made = make_lake(tmp_path / "lake", signed=signed, levels=40)
    lake = saelake.connect(tmp_path / "lake")
    path = tmp_path / "v.jsonl"
    lake["made/random"].export_vectors(path, by="unit")
    assert all(set(row) >= {"id", "position", "start", "end", "vector"} for row in lines(path))
    width = made.poles.d_sae
    lake.import_codes(path, "made/again", unit="token", width=width, signed=signed)
    assert codes(lake, "made/again") == codes(lake, "made/random")
    lake.index("made/again")
    lake.index("made/random")
    columns = ("feature", "token_frequency", "max", "density")
    for ours, theirs in zip(
        lake["made/again"].features(k=None, order="feature"),
        lake["made/random"].features(k=None, order="feature"),
        strict=True,
    ):
        assert [getattr(ours, c) for c in columns] == [getattr(theirs, c) for c in columns]


def test_a_filter_keeps_some(tmp_path: Path) -> None:
    make_lake(tmp_path / "lake")
    chosen = saelake.connect(tmp_path / "lake")["made/random"].where("label = 'pos'")
    n = chosen.export_vectors(tmp_path / "v.jsonl", texts=True, where="length > 4")
    found = lines(tmp_path / "v.jsonl")
    assert 0 < n == len(found) < 40
    assert all(len(row["text"]) > 4 for row in found)


def test_numbers_are_the_shortest_that_are_read_again(tmp_path: Path) -> None:
    lake = saelake.connect(tmp_path / "lake")
    given = {"a": 0.1, "b": 3.0, "c": 1e-9, "d": 4e9, "e": 2.0**-32}
    lake.import_codes([{"id": 'a "b"', "text": "t", "vector": given}], "c/v")
    lake["c/v"].export_vectors(tmp_path / "v.jsonl")
    (row,) = lines(tmp_path / "v.jsonl")
    stored = {r["feature"]: r["value"] for r in codes(lake, "c/v")}
    assert row["id"] == 'a "b"'
    assert [np.float32(v) for v in row["vector"].values()] == list(stored.values())
    assert '"b": 3,' in (tmp_path / "v.jsonl").read_text()


def test_what_cannot_be_exported_so(tmp_path: Path) -> None:
    make_lake(tmp_path / "lake")
    codes = saelake.connect(tmp_path / "lake")["made/random"]
    with pytest.raises(InvalidInput, match="have no texts"):
        codes.export_vectors(tmp_path / "v.jsonl", by="unit", texts=True)
    with pytest.raises(InvalidInput, match="by document or by unit"):
        codes.export_vectors(tmp_path / "v.jsonl", by="token")  # type: ignore[arg-type]
    there = saelake.connect("grpc://127.0.0.1:9")
    with there, pytest.raises(InvalidInput, match="are not sent by a server"):
        there["made/random"].export_vectors(tmp_path / "v.jsonl", by="unit")
    assert not (tmp_path / "v.jsonl").exists()
