"""What is printed for other programs: JSON, CSV and Arrow."""

import io
import json
import unicodedata
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saelake
from saelake.answers.plain import plain
from saelake.collection import Collection
from saelake.store.format.visible import escaped
from saelake.store.wire.versions import WIRE
from tests.client.cli.command import asked, on_terminal, run
from tests.client.cli.conftest import longest
from tests.lakes import MadeLake, make_lake

NAME = "made/random"
POSITIVE = "label = 'pos'"


def document(made: MadeLake, *arguments: str) -> Any:
    """The one JSON document that a command prints."""
    printed = asked(*arguments, "--lake", made.lake.uri, "--format", "json")
    assert printed.endswith("}\n")
    assert printed.count("\n") == 1
    return json.loads(printed)


def collection(made: MadeLake) -> Collection:
    return saelake.connect(made.lake.uri)[NAME]


# --- JSON ---


def test_tokens_are_a_feature_and_its_hits(made: MadeLake) -> None:
    answer = document(made, "tokens", NAME, "3", "-k", "4")
    assert list(answer) == ["feature", "hits"]
    assert answer["feature"] == 3
    best: dict[int, tuple[float, int]] = {}
    for code in made.codes:
        if code.feature == 3 and code.value > best.get(code.doc, (0.0, 0))[0]:
            best[code.doc] = (code.value, code.position)
    expected = sorted((-value, doc, at) for doc, (value, at) in best.items())[:4]
    assert [(-h["value"], h["doc"], h["position"]) for h in answer["hits"]] == expected
    for hit in answer["hits"]:
        assert list(hit) == ["doc", "id", "position", "value", "token", "text", "metadata"]
        assert hit["id"] == f"d{hit['doc']}"
        assert hit["token"] == made.words[hit["doc"]][hit["position"]]
        assert hit["token"] in hit["text"]
        text = made.texts[hit["doc"]]
        assert hit["metadata"] == {"label": made.labels[hit["doc"]], "length": len(text)}


def test_an_expression_is_given_back_as_text(made: MadeLake) -> None:
    assert document(made, "tokens", NAME, " 3 & 4 ")["feature"] == "3 & 4"
    assert document(made, "tokens", NAME, "3 > 1000") == {"feature": "3 > 1000", "hits": []}


def test_options_are_those_of_the_library(made: MadeLake) -> None:
    options = ["--per", "token", "--all", "--where", POSITIVE, "--context", "3"]
    hits = collection(made).tokens(3, k=None, per="token", where=POSITIVE, context=3)
    answer = document(made, "tokens", NAME, "3", *options)
    assert answer["hits"] == [
        {name: row[name] for name in answer["hits"][0]} for row in hits.to_dicts()
    ]
    spread = document(made, "tokens", NAME, "3 & !4", "-k", "3", "--order", "quantiles")
    expected = collection(made).tokens("3 & !4", k=3, order="quantiles").to_dicts()
    assert [h["doc"] for h in spread["hits"]] == [h["doc"] for h in expected]
    near = document(made, "tokens", NAME, "3 & 4", "--scope", "window:2")
    expected = collection(made).tokens("3 & 4", scope="window:2").to_dicts()
    assert [h["doc"] for h in near["hits"]] == [h["doc"] for h in expected]


def test_other_answers_are_documents_too(made: MadeLake) -> None:
    found = collection(made)
    assert document(made, "features", NAME, "3", "4") == {
        "features": found.features([3, 4]).to_dicts()
    }
    assert document(made, "features", NAME, "-k", "2", "--order", "max") == {
        "features": found.features(k=2, order="max").to_dicts()
    }
    assert len(document(made, "features", NAME, "--all")["features"]) == made.n_features
    assert document(made, "features", NAME, "--token", "rain", "-k", "1")["features"]
    name = longest(made)
    assert document(made, "document", NAME, name) == found.document(name).to_arrow().to_pylist()[0]
    only = document(made, "document", NAME, "--doc", name[1:], "--features", "3, 4")
    assert only["features"] == [3, 4]
    (row,) = document(made, "info")["collections"]
    assert (row["corpus"], row["dictionary"], row["n_documents"]) == ("made", "random", 60)
    checks = document(made, "verify", NAME)
    assert checks["ok"] is True
    assert {"table", "check", "ok", "detail"} == set(checks["checks"][0])


def test_values_are_the_float32_that_are_stored(made: MadeLake) -> None:
    hits = document(made, "tokens", NAME, "3", "--all", "--per", "token")["hits"]
    values = [hit["value"] for hit in hits]
    assert len(values) > 50
    assert values == np.array(values, np.float32).tolist()
    stored = [c.value for c in made.codes if c.feature == 3]
    assert sorted(values) == sorted(stored)


def test_values_that_json_lacks_become_text_and_no_number_null() -> None:
    row = {
        "when": datetime(2026, 1, 2, 3),
        "day": date(2026, 1, 2),
        "at": time(4, 5),
        "took": timedelta(seconds=90),
        "price": Decimal("1.50"),
        "raw": b"\x00\xff",
        "bad": float("nan"),
        "many": (1, float("inf")),
    }
    assert json.loads(json.dumps(plain(row), allow_nan=False)) == {
        "when": "2026-01-02T03:00:00",
        "day": "2026-01-02",
        "at": "04:05:00",
        "took": "0:01:30",
        "price": "1.50",
        "raw": "AP8=",
        "bad": None,
        "many": [1, None],
    }


ODD = {
    "day": pa.array([date(2026, 1, 2)]),
    "when": pa.array([datetime(2026, 1, 2, 3)], pa.timestamp("us", tz="UTC")),
    "price": pa.array([Decimal("1.50")]),
    "raw": pa.array([b"\x00\xff"]),
    "bad": pa.array([float("nan")]),
    "small": pa.array([0.1], pa.float32()),
    "many": pa.array([[1, 2]]),
    "nested": pa.array([{"x": None}], pa.struct([("x", pa.int8())])),
    "token": pa.array(["mine"]),
    "said": pa.array(['a "quoted",\nline']),
}


def test_metadata_of_any_type_is_printed(tmp_path: Path, parts: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "text": ["w1 w2 w3"], **ODD}), tmp_path / "odd.parquet")
    lake = ["--lake", str(tmp_path / "lake")]
    encode = ["--model", str(parts / "tiny-llama"), "--dictionary", str(parts / "sae")]
    assert run("ingest", str(tmp_path / "odd.parquet"), *lake, *encode).code == 0
    found = json.loads(asked("document", "odd/sae", "a", *lake, "-f", "json"))
    asking = ["tokens", "odd/sae", str(found["features"][0]), *lake, "-k", "1"]
    (hit,) = json.loads(asked(*asking, "-f", "json"))["hits"]
    assert hit["metadata"] == found["metadata"]
    assert hit["metadata"] == {
        "day": "2026-01-02",
        "when": "2026-01-02T03:00:00+00:00",
        "price": "1.50",
        "raw": "AP8=",
        "bad": None,
        "small": np.float32(0.1).item(),
        "many": [1, 2],
        "nested": {"x": None},
        "token": "mine",
        "said": 'a "quoted",\nline',
    }
    (row,) = csv_rows(asked(*asking, "-f", "csv"))
    assert (row["token"], row["metadata.token"]) == (hit["token"], "mine")
    assert row["said"] == 'a "quoted",\nline'
    assert (row["bad"], json.loads(row["many"]), row["raw"]) == (None, [1, 2], "AP8=")
    assert np.float32(row["small"]) == np.float32(0.1)
    assert "price=1.50" in asked(*asking)


# --- CSV and Arrow ---


def csv_rows(printed: str) -> list[dict[str, Any]]:
    options = pyarrow.csv.ParseOptions(newlines_in_values=True)
    text = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    table = pyarrow.csv.read_csv(
        io.BytesIO(printed.encode()), parse_options=options, convert_options=text
    )
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def test_csv_has_a_column_for_each_metadata(made: MadeLake) -> None:
    printed = asked("tokens", NAME, "3", "--format", "csv", "--lake", made.lake.uri)
    hits = collection(made).tokens(3)
    assert [
        (row["doc"], row["id"], row["value"], row["token"], row["label"], row["length"])
        for row in csv_rows(printed)
    ] == [(h.doc, h.id, h.value, h.token, h.metadata["label"], h.metadata["length"]) for h in hits]


@pytest.mark.parametrize("command", ["features", "info", "verify", "document"])
def test_csv_parses_whatever_was_asked(made: MadeLake, command: str) -> None:
    arguments = {"features": [NAME], "document": [NAME, longest(made)]}.get(command, [])
    rows = csv_rows(asked(command, *arguments, "-f", "csv", "--lake", made.lake.uri))
    assert rows
    if command == "features":
        histogram = collection(made).features()[0].histogram
        assert json.loads(rows[0]["histogram"]) == list(histogram)


def test_arrow_is_the_answer_itself(made: MadeLake, server: str) -> None:
    ran = run("tokens", NAME, "3", "--format", "arrow", "--lake", made.lake.uri)
    there = run("tokens", NAME, "3", "--format", "arrow", "--server", server)
    assert (ran.code, ran.err, there.code) == (0, "", 0)
    for raw in (ran.raw, there.raw):
        assert pa.ipc.open_stream(raw).read_all().equals(collection(made).tokens(3).to_arrow())


def test_arrow_is_not_for_a_terminal(made: MadeLake) -> None:
    code, shown = on_terminal("tokens", NAME, "3", "-f", "arrow", "--lake", made.lake.uri)
    assert code == 2
    assert "send it to a file" in shown


# ESC, OSC to BEL, CSI, an override, an isolate, DEL: each moves or turns what stands beside it.
COMMANDS = "\x1b[2J \x1b]0;title\x07 \x9b31m \u202egnp \u2066x\u2069 \x7f"


@given(st.text(max_size=40) | st.just(COMMANDS))
def test_no_character_of_a_corpus_commands_the_terminal(text: str) -> None:
    shown = escaped(text)
    directed = {"R", "AL", "RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI"}
    for c in shown:
        assert unicodedata.category(c) != "Cc" or c in "\n\r\t"
        assert unicodedata.bidirectional(c) not in directed - {"R", "AL"}
    if text.isprintable():
        assert shown == text, "what prints is as it was"


def test_json_is_exact_and_csv_is_safe(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", columns={"said": pa.array([COMMANDS] * 40)})
    arguments = ("tokens", NAME, "3", "--lake", made.lake.uri)
    for chosen in ("json", "csv"):
        printed = run(*arguments, "--format", chosen).raw.decode()
        assert printed == escaped(printed)
        assert "\\u001b]0;title\\u0007" in printed
    hits = document(made, "tokens", NAME, "3")["hits"]
    assert all(hit["metadata"]["said"] == COMMANDS for hit in hits)
    arrow = pa.ipc.open_stream(run(*arguments, "--format", "arrow").raw).read_all()
    assert arrow["metadata"][0].as_py()["said"] == COMMANDS


# --- a server ---


@pytest.mark.parametrize(
    "command",
    [
        ["tokens", NAME, "3", "--where", POSITIVE],
        ["tokens", NAME, "3 & 4", "--scope", "document", "--per", "token", "--all"],
        ["features", NAME, "3", "4"],
        ["features", NAME, "--token", "rain"],
        ["document", NAME, "d7"],
        ["info"],
        ["verify"],
    ],
)
@pytest.mark.parametrize("shape", ["json", "csv", "table"])
def test_a_server_prints_what_the_lake_prints(
    made: MadeLake, server: str, command: list[str], shape: str
) -> None:
    there = run(*command, "--format", shape, "--server", server)
    here = run(*command, "--format", shape, "--lake", made.lake.uri)
    assert there == here
    assert (here.code, here.err) == (0, "")
    assert here.raw


@pytest.mark.parametrize("place", ["--lake", "--server"])
def test_a_state_is_asked_of_by_commands(made: MadeLake, server: str, place: str) -> None:
    at = (place, server if place == "--server" else made.lake.uri)
    told = json.loads(asked("info", "--program", "--format", "json", *at))["program"]
    assert (told["version"], told["wire"]) == (saelake.__version__, WIRE)
    then = run("tokens", NAME, "3", "--at", told["state"], *at)
    assert then == run("tokens", NAME, "3", *at)
    assert told["version"] in run("info", "--program", *at).err


def test_a_server_exports_what_the_lake_exports(
    made: MadeLake, server: str, tmp_path: Path
) -> None:
    for place, at in (("--server", server), ("--lake", made.lake.uri)):
        codes, embeddings = tmp_path / f"{place}.parquet", tmp_path / f"{place}.npz"
        files = ["--codes", str(codes), "--embeddings", str(embeddings)]
        ran = run("export", NAME, *files, "--where", POSITIVE, place, at)
        assert (ran.code, ran.out) == (0, "")
        assert f"documents to {embeddings}" in ran.err.splitlines()[-1]
    here, there = (pq.read_table(tmp_path / f"{p}.parquet") for p in ("--lake", "--server"))
    assert here.equals(there)
    assert here.column_names == ["id", "doc", "position", "token_id", "feature", "value"]
    wanted = {doc for doc, label in enumerate(made.labels) if label == "pos"}
    assert here.num_rows == sum(code.doc in wanted for code in made.codes)
    arrays, others = (np.load(tmp_path / f"{p}.npz") for p in ("--lake", "--server"))
    assert arrays.files == others.files
    assert all(np.array_equal(arrays[name], others[name]) for name in arrays.files)
