"""The command line: its contract with other programs, and how it fails."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest

import saelake
from saelake.cli.build import default_corpus, parse_size
from saelake.cli.render import size
from saelake.cli.screen import plain
from saelake.store.errors import InvalidInput
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests.lakes import MadeLake, make_lake
from tests.tiny import K, save_corpus, save_dictionary, save_model

NAME = "made/random"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("cli") / "lake", n_documents=60, n_indexed=3)


def saelake_(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80", "SAELAKE_TOKEN": ""}
    return subprocess.run(
        [sys.executable, "-m", "saelake", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        **settings,  # type: ignore[call-overload]
    )


def asked(made: MadeLake, *arguments: str) -> str:
    run = saelake_(*arguments, "--lake", made.lake.uri)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return run.stdout


def test_tokens_prints_one_json_document(made: MadeLake) -> None:
    answer = json.loads(asked(made, "tokens", NAME, "3", "-k", "4", "--format", "json"))
    assert list(answer) == ["feature", "hits"]
    assert answer["feature"] == 3
    hits = saelake.connect(made.lake.uri)[NAME].tokens(3, k=4)
    assert len(answer["hits"]) == 4
    for printed, hit in zip(answer["hits"], hits, strict=True):
        assert list(printed) == ["doc", "id", "position", "value", "token", "text", "metadata"]
        assert printed["value"] == hit.value
        assert printed["metadata"] == hit.metadata
        assert printed["token"] in printed["text"]
    expression = json.loads(asked(made, "tokens", NAME, "3 & 4", "--format", "json"))
    assert expression["feature"] == "3 & 4"


def test_options_are_those_of_the_library(made: MadeLake) -> None:
    arguments = ["--per", "token", "--all", "--where", "label = 'pos'", "--format", "json"]
    answer = json.loads(asked(made, "tokens", NAME, "3", *arguments))
    where = "label = 'pos'"
    hits = saelake.connect(made.lake.uri)[NAME].tokens(3, k=None, per="token", where=where)
    assert [(h["doc"], h["position"]) for h in answer["hits"]] == [
        (h.doc, h.position) for h in hits
    ]


def test_csv_and_arrow_have_the_same_rows(made: MadeLake) -> None:
    printed = asked(made, "tokens", NAME, "3", "--format", "csv")
    table = pyarrow.csv.read_csv(io.BytesIO(printed.encode()))
    assert table.column_names[-2:] == ["label", "length"]
    command = [sys.executable, "-m", "saelake", "tokens", NAME, "3", "--format", "arrow"]
    run = subprocess.run([*command, "--lake", made.lake.uri], capture_output=True, check=True)
    arrow = pa.ipc.open_stream(run.stdout).read_all()
    assert arrow.equals(saelake.connect(made.lake.uri)[NAME].tokens(3).to_arrow())
    assert table["id"].to_pylist() == arrow["id"].to_pylist()


def test_people_see_the_token_marked_within_80_columns(made: MadeLake) -> None:
    shown = asked(made, "tokens", NAME, "3", "-k", "3")
    assert shown.count("<<") == 3
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    for command in (["features", NAME], ["document", NAME, "d7"], ["info"], ["verify"]):
        assert max(map(len, asked(made, *command).splitlines())) <= 80


def test_a_server_prints_what_the_lake_prints(made: MadeLake) -> None:
    commands: Sequence[list[str]] = (
        ["tokens", NAME, "3", "--where", "label = 'pos'"],
        ["features", NAME, "3", "4"],
        ["document", NAME, "d7"],
        ["info"],
        ["verify"],
    )
    with BackgroundServer(ServerSettings(uri=made.lake.uri, address=Address(port=0))) as server:
        for command in commands:
            there = saelake_(*command, "--format", "json", "--server", str(server.address))
            assert there.stdout == asked(made, *command, "--format", "json")
            assert there.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["tokens", "made/other", "1"], 1, "no collection made/other"),
        (["tokens", NAME, "99"], 1, "no feature 99"),
        (["tokens", NAME, "1 &"], 2, "feature number should be"),
        (["tokens", NAME, "1", "--where", "colour = 1"], 2, "colour"),
        (["tokens", NAME, "1", "-k", "0"], 2, "at least 1"),
        (["tokens", "made", "1"], 2, "corpus/dictionary"),
        (["tokens", NAME], 2, "FEATURE"),
        (["document", NAME, "nobody"], 1, "nobody"),
        (["document", NAME, "d1", "--features", "x"], 2, "12,34"),
        (["export", NAME], 2, "--codes"),
        (["import", "nowhere.parquet"], 1, "nowhere.parquet"),
        (["index", "made/other"], 1, "no collection made/other"),
        (["info", "--server", "localhost:1", "--lake", "x"], 2, "not both"),
        (["info", "--server", "localhost:1"], 1, "does not answer"),
        (["serve", "--host", "0.0.0.0"], 2, "--insecure"),
        (["serve", "--port", "0", "--cert", "a.pem"], 2, "certificate and its key"),
    ],
)
def test_a_mistake_is_said_in_words(
    made: MadeLake, arguments: list[str], code: int, said: str
) -> None:
    where = [] if "--lake" in arguments or "--server" in arguments else ["--lake", made.lake.uri]
    run = saelake_(*arguments, *where)
    assert run.returncode == code, run.stderr
    assert said in " ".join(run.stderr.split())
    assert "Traceback" not in run.stderr
    assert run.stdout == ""
    if "FEATURE" not in said:
        assert run.stderr.splitlines()[-1].startswith("Error: ")
        assert run.stderr.count("Error: ") == 1


def test_a_lake_that_is_not_there_is_said(tmp_path: Path) -> None:
    run = saelake_("info", "--lake", str(tmp_path / "none"))
    assert run.returncode == 1
    assert "There is no lake" in run.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "ingest",
        "import",
        "encode",
        "index",
        "tokens",
        "features",
        "document",
        "export",
        "info",
        "verify",
        "serve",
    ],
)
def test_help_of_every_command(command: str) -> None:
    run = saelake_(command, "--help")
    assert run.returncode == 0
    assert "Usage: saelake" in run.stdout


def test_help_needs_no_heavy_library() -> None:
    script = (
        "import sys\nfrom saelake.cli.app import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'lance', 'transformers', 'grpc') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith("[]")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "tiny-llama")
    save_dictionary(folder / "sae")
    save_corpus(folder / "some words.parquet", 30, longest=10)
    return folder


def test_ingest_ends_with_counts_and_continues(tmp_path: Path, parts: Path) -> None:
    lake = str(tmp_path / "lake")
    command = ["ingest", str(parts / "some words.parquet"), "--lake", lake]
    command += ["--model", str(parts / "tiny-llama"), "--dictionary", str(parts / "sae")]
    first = saelake_(*command)
    assert first.returncode == 0, first.stderr
    assert first.stdout == ""
    info = json.loads(saelake_("info", "--lake", lake, "--format", "json").stdout)
    (row,) = info["collections"]
    assert (row["corpus"], row["dictionary"]) == ("some_words", "sae")
    assert row["n_codes"] <= K * row["n_tokens"]
    last = first.stderr.splitlines()[-1]
    assert last == (
        f"Done: some_words/sae has 30 documents, {row['n_tokens']} tokens, {row['n_codes']} codes"
    )
    again = saelake_(*command)
    assert again.returncode == 0, again.stderr
    assert again.stderr.splitlines()[-1] == last
    assert saelake_("verify", "--lake", lake).returncode == 0
    out = tmp_path / "codes.parquet"
    export = saelake_("export", "some_words/sae", "--lake", lake, "--codes", str(out))
    assert f"Wrote {row['n_codes']} codes" in export.stderr.replace(",", "")
    assert out.exists()


def test_import_says_what_it_left_out(tmp_path: Path) -> None:
    rows = '{"id": 1, "text": "a"}\n{"id": 1, "text": "b"}\n{"id": 2, "text": ""}\n'
    (tmp_path / "rows.jsonl").write_text(rows)
    run = saelake_("import", str(tmp_path / "rows.jsonl"), "--lake", str(tmp_path / "lake"))
    assert run.returncode == 0, run.stderr
    last = run.stderr.splitlines()[-1]
    assert "1 documents added to rows (2 rows skipped: " in last
    missing = saelake_(
        "import",
        str(tmp_path / "rows.jsonl"),
        "--lake",
        str(tmp_path / "lake"),
        "--text-column",
        "body",
    )
    assert missing.returncode == 1
    assert "'body'" in missing.stderr
    assert "'text'" in missing.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_says_where_and_stops_when_asked(made: MadeLake, number: int) -> None:
    command = [sys.executable, "-m", "saelake", "serve", "--lake", made.lake.uri, "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    with server:
        line = server.stderr.readline()
        address = line.split(" on ")[1].split(". ")[0]
        assert f"--server {address}" in line
        assert saelake.connect(f"grpc://{address}")[NAME].tokens(3, k=1)
        server.send_signal(number)
        assert server.wait(30) == 0
        assert server.stderr.read() == ""


def test_a_reader_that_stops_early_is_no_error(made: MadeLake) -> None:
    command = f"{sys.executable} -m saelake tokens {NAME} 3 --all --per token --format csv"
    shell = f"set -o pipefail; {command} --lake {made.lake.uri} | head -1"
    run = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert run.stdout.startswith("doc,id,")
    assert run.stderr == ""


def test_values_that_json_lacks_become_text_and_no_number_null() -> None:
    row = {
        "when": datetime(2026, 1, 2, 3),
        "day": date(2026, 1, 2),
        "price": Decimal("1.50"),
        "raw": b"\x00\xff",
        "bad": float("nan"),
        "many": (1, float("inf")),
    }
    assert json.loads(json.dumps(plain(row), allow_nan=False)) == {
        "when": "2026-01-02T03:00:00",
        "day": "2026-01-02",
        "price": "1.50",
        "raw": "AP8=",
        "bad": None,
        "many": [1, None],
    }


def test_names_and_sizes() -> None:
    assert default_corpus("/data/imdb_6k.parquet") == "imdb_6k"
    assert default_corpus("hf://stanfordnlp/imdb:train") == "imdb"
    assert default_corpus("my texts/") == "my_texts"
    with pytest.raises(InvalidInput, match="--corpus"):
        default_corpus("...")
    assert parse_size("512MiB") == parse_size("512m") == 512 << 20
    assert parse_size("1.5G") == 3 << 29
    with pytest.raises(InvalidInput, match="512MiB"):
        parse_size("much")
    assert [size(n) for n in (0, 999, 1500, 7_800_000)] == ["0 B", "999 B", "1.5 kB", "7.8 MB"]


HOSTILE = "\x1b[31mred\x1b[0m [bold]big[/bold]\r\n\tend"


def test_texts_cannot_drive_the_terminal(tmp_path: Path, parts: Path) -> None:
    rows = json.dumps({"id": "a\x1b]0;title\x07b", "text": HOSTILE + " w1 w2 w3"})
    (tmp_path / "rows.jsonl").write_text(rows + "\n")
    lake = str(tmp_path / "lake")
    run = saelake_(
        "ingest",
        str(tmp_path / "rows.jsonl"),
        "--lake",
        lake,
        "--model",
        str(parts / "tiny-llama"),
        "--dictionary",
        str(parts / "sae"),
    )
    assert run.returncode == 0, run.stderr
    embedding = saelake.connect(lake)["rows/sae"].embeddings().read_all()
    feature = str(embedding["features"][0][0].as_py())
    for command in (["tokens", "rows/sae", feature], ["document", "rows/sae", "--doc", "0"]):
        shown = saelake_(*command, "--lake", lake).stdout
        assert "\x1b" not in shown
        assert "\x07" not in shown
        assert "[bold]big[/bold]" in " ".join(shown.split()).replace("<<", "").replace(">>", "")
