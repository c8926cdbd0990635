"""A column that comes after the import is like one that came with it, on every face."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import saelake
from saelake.lake import Lake
from saelake.store.errors import Conflict, InvalidFilter, InvalidInput, NotFound
from tests.contract.conftest import SOON_S
from tests.lakes import make_lake
from tests.served import changeable

NAME = "made/random"
N = 40
TRUE = {f"d{i}": i % 3 == 0 for i in range(N)}


@pytest.fixture(params=["embedded", "served"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lake]:
    made = make_lake(tmp_path / "lake", n_documents=N, seed=5)
    if request.param == "embedded":
        with saelake.connect(made.lake.uri) as opened:
            yield opened
        return
    with changeable(made.lake.uri) as opened:
        yield opened


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are looked at when a server must know of them, which is a second later."""
    set_values = Lake.annotate

    def waiting(self: Lake, *args: Any, **options: Any) -> saelake.AnnotateReport:
        report = set_values(self, *args, **options)
        time.sleep(SOON_S if self.is_remote else 0)
        return report

    monkeypatch.setattr(Lake, "annotate", waiting)


def counts(lake: Lake, by: str, where: str | None = None) -> dict[str | None, int]:
    rows = lake[NAME].values(by, where=where)
    return {row.value: row.n_documents for row in rows}


def said(lake: Lake) -> dict[str, saelake.ColumnInfo]:
    (row,) = (row for row in lake.info() if row.corpus == "made")
    return {column.name: column for column in row.columns}


def test_values_by_id_become_a_column(lake: Lake) -> None:
    report = lake.annotate("made", TRUE, column="rainy", about="by me")
    assert report == saelake.AnnotateReport(
        corpus="made", columns=("rainy",), new=("rainy",), n_documents=N
    )
    assert counts(lake, "rainy") == {"true": 14, "false": 26}
    assert counts(lake, "label", where="rainy") == counts(lake, "label", where="rainy = true")
    column = said(lake)["rainy"]
    assert (column.type, column.is_imported, column.about) == ("bool", False, "by me")
    assert said(lake)["label"].is_imported
    assert said(lake)["label"].changed is None


def test_it_is_in_every_answer_as_columns_are(lake: Lake) -> None:
    lake.annotate("made", TRUE, column="rainy")
    collection = lake[NAME]
    assert collection.document("d3").metadata["rainy"] is True
    feature = next(iter(collection.features())).feature
    hits = collection.where("rainy").tokens(feature)
    assert hits
    assert all(hit.metadata["rainy"] for hit in hits)
    assert {row.value for row in collection.shares(feature, by="rainy")} == {"true", "false"}
    assert len(collection.associate("rainy")) > 0
    diff = collection.where("rainy").diff(collection.where("NOT rainy"))
    assert len(diff) > 0
    assert {hit.metadata["rainy"] for hit in collection.similar(id="d1")} <= {True, False}
    assert collection.codes("rainy").read_all().num_rows > 0


def test_nulls_are_said_and_left_out(lake: Lake) -> None:
    lake.annotate("made", {k: TRUE[k] for k in list(TRUE)[:20]}, column="rainy")
    assert counts(lake, "rainy") == {"true": 7, "false": 13, None: 20}
    assert len(lake[NAME].where("rainy IS NULL").tokens(0, None)) > 0
    notes = lake[NAME].associate("rainy").notes
    assert any("20" in note for note in notes), notes
    feature = next(iter(lake[NAME].features())).feature
    rows = lake[NAME].shares(feature, by="rainy")
    assert sum(row.n_documents for row in rows) == N


def test_what_was_is_still_seen_and_what_is_new_within_a_second(lake: Lake) -> None:
    lake.annotate("made", {"d1": "a", "d2": "b"}, column="mark")
    lake.tag("v1")
    first = lake[NAME].document("d1", features=())
    assert first.metadata["mark"] == "a"
    lake.annotate("made", {"d1": "z"}, column="mark")
    time.sleep(SOON_S)
    assert lake[NAME].document("d1", features=()).metadata["mark"] == "z"
    assert lake[NAME].document("d2", features=()).metadata["mark"] == "b"
    then = lake.as_of("v1")
    assert then.texts("made").read_all()["metadata"][1]["mark"].as_py() == "a"
    assert then[NAME].document("d1", features=()).metadata["mark"] == "a"
    assert lake.drop_column("made", "mark").was_there
    time.sleep(SOON_S)
    with pytest.raises(InvalidFilter, match="mark"):
        lake[NAME].where("mark = 'z'").tokens(0)
    assert then[NAME].document("d1", features=()).metadata["mark"] == "a"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_files_have_values(lake: Lake, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"values.{kind}"
    rows: list[dict[str, Any]] = [
        {"id": f"d{i}", "n": i, "share": i / 8, "said": f"it's {i}, é"} for i in range(3)
    ]
    if kind == "csv":
        text = "".join(f'd{i},{i},{i / 8},"it\'s {i}, é"\n' for i in range(3))
        file.write_text("id,n,share,said\n" + text)
    elif kind == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), file)
    report = lake.annotate("made", file)
    assert (report.columns, report.n_documents) == (("n", "share", "said"), 3)
    metadata = lake[NAME].document("d2", features=()).metadata
    assert (metadata["n"], metadata["share"], metadata["said"]) == (2, 0.25, "it's 2, é")
    only = lake.annotate("made", file, column="n")
    assert only.columns == ("n",)


def test_values_come_by_number_as_rows_and_as_tables(lake: Lake) -> None:
    lake.annotate("made", {3: 1.5}, column="a")
    lake.annotate("made", [{"id": "d3", "b": "x"}, {"id": "d4", "b": None}])
    lake.annotate("made", pa.table({"key": ["d3"], "c": [7]}), id_column="key")
    metadata = lake[NAME].document("d3", features=()).metadata
    assert (metadata["a"], metadata["b"], metadata["c"]) == (1.5, "x", 7)


def test_what_cannot_be_is_refused_and_changes_nothing(lake: Lake) -> None:
    before = said(lake)
    with pytest.raises(NotFound, match="--known-only"):
        lake.annotate("made", {"d1": 1, "zz": 2}, column="v")
    with pytest.raises(Conflict, match="--replace-imported"):
        lake.annotate("made", {"d1": "x"}, column="label")
    with pytest.raises(Conflict, match="--imported"):
        lake.drop_column("made", "label")
    with pytest.raises(InvalidInput, match="column="):
        lake.annotate("made", {"d1": "x"})
    mixed: dict[str, str | int] = {"d1": "x", "d2": 1}
    with pytest.raises(InvalidInput, match="one type"):
        lake.annotate("made", mixed, column="v")
    with pytest.raises(InvalidInput, match="saelake's own"):
        lake.annotate("made", {"d1": "x"}, column="text")
    with pytest.raises(InvalidInput, match="beside `id`"):
        lake.annotate("made", {"d1": "x"}, column="id")
    with pytest.raises(NotFound, match="no corpus"):
        lake.annotate("nothing", {"d1": 1}, column="v")
    assert said(lake) == before
    report = lake.annotate("made", {"d1": 1, "zz": 2}, column="v", known_only=True)
    assert (report.n_documents, report.n_unknown, report.unknown) == (1, 1, ("zz",))
    assert not lake.drop_column("made", "nothing").was_there


def test_documents_that_come_later_have_no_value(lake: Lake) -> None:
    lake.annotate("made", TRUE, column="rainy")
    lake.import_corpus([{"id": "new", "text": "rain", "label": "pos"}], "made")
    (row,) = (row for row in lake.info() if row.corpus == "made")
    assert row.n_documents == N + 1
    assert lake.verify().ok


def test_texts_are_read_of_corpora_whole_or_sampled(lake: Lake, tmp_path: Path) -> None:
    rows = lake.texts("made").read_all()
    assert rows["id"].to_pylist() == [f"d{i}" for i in range(N)]
    where = lake.texts("made", where="label = 'pos'").read_all()
    assert {row["label"] for row in where["metadata"].to_pylist()} == {"pos"}
    ten, five = (lake.texts("made", sample=n, seed=3).read_all() for n in (10, 5))
    assert (ten.num_rows, five.num_rows) == (10, 5)
    assert set(five["doc"].to_pylist()) < set(ten["doc"].to_pylist())
    assert ten.schema.metadata[b"n_selected"] == str(N).encode()
    assert lake.texts("made", sample=10, seed=3).read_all()["doc"] == ten["doc"]
    assert lake.texts("made", sample=10, seed=4).read_all()["doc"] != ten["doc"]
    assert lake.texts("made", sample=1000).read_all().num_rows == N
    assert lake.export_texts(tmp_path / "t.parquet", "made", sample=3) == 3
    assert pq.read_table(tmp_path / "t.parquet").num_rows == 3
    with pytest.raises(NotFound, match="no corpus"):
        lake.texts("nothing").read_all()
    with pytest.raises(InvalidFilter):
        lake.texts("made", where="nope = 1").read_all()
    with pytest.raises(InvalidInput, match="one document"):
        lake.texts("made", sample=0)
