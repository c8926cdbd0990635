"""The commands that write: import, encode, index, and ingest for all three."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import saelake
from saelake.making.quantities import parse_size
from saelake.making.sources import default_corpus
from saelake.store.errors import InvalidInput
from tests.client.cli.command import PROGRAM, asked, environment, program, run
from tests.tiny import D_SAE, HOOK, K, save_corpus, save_dictionary


def encoding(parts: Path, *dictionaries: str) -> list[str]:
    """The options that say with what to encode."""
    named = [option for name in dictionaries for option in ("--dictionary", str(parts / name))]
    return ["--model", str(parts / "tiny-llama"), *named]


def collections(lake: str) -> dict[str, dict[str, Any]]:
    rows = json.loads(asked("info", "--lake", lake, "--format", "json"))["collections"]
    return {f"{row['corpus']}/{row['dictionary']}": row for row in rows}


def test_the_last_line_says_of_which_sample_codes_are(tmp_path: Path, parts: Path) -> None:
    lake = ["--lake", str(tmp_path / "lake")]
    file = str(parts / "some words.parquet")
    kept = run("ingest", file, *encoding(parts, "sae"), *lake, "--keep-activations", "0.5")
    assert kept.code == 0
    assert "sample" not in kept.err.splitlines()[-1]
    sampled = ["--from-activations", "some_words/sae", "--name", "half"]
    ran = run("encode", "some_words", "--dictionary", str(parts / "sae"), *sampled, *lake)
    assert ran.code == 0
    assert ran.err.splitlines()[-1].endswith(" codes of a 50 % sample")


def test_ingest_ends_with_counts_and_continues(tmp_path: Path, parts: Path) -> None:
    lake = str(tmp_path / "lake")
    file = str(parts / "some words.parquet")
    command = ["ingest", file, *encoding(parts, "sae"), "--lake", lake]
    first = program(*command)
    assert (first.returncode, first.stdout) == (0, "")
    (row,) = collections(lake).values()
    n_tokens = sum(len(text.split()) for text in pq.read_table(file)["text"].to_pylist())
    assert row["n_tokens"] == n_tokens
    assert row["n_indexed"] == row["n_encoded"] == 30
    assert (row["d_sae"], row["hook"], row["model"]) == (D_SAE, HOOK, "tiny-llama")
    last = f"Done: some_words/sae has 30 documents, {n_tokens} tokens, {n_tokens * K} codes"
    assert first.stderr.splitlines() == [
        f"Importing {file} …",
        "Imported 30 documents into some_words",
        "Loading the model and the dictionary …",
        "Encoding some_words …",
        "Indexing some_words/sae …",
        "Indexed 30 documents of some_words/sae",
        last,
    ]
    again = run(*command)
    assert again.code == 0
    assert "Imported 0 documents into some_words (30 rows skipped: 30 × id already" in again.err
    assert again.err.splitlines()[-1] == last
    assert collections(lake) == {"some_words/sae": row}
    assert run("verify", "--lake", lake).code == 0


def test_new_documents_are_added_to_those_that_are_there(tmp_path: Path, parts: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    lake = str(tmp_path / "lake")
    command = ["ingest", str(rows), *encoding(parts, "sae"), "--lake", lake]
    for n in (3, 5):
        rows.write_text("".join(f'{{"id": "r{i}", "text": "w{i} w2"}}\n' for i in range(n)))
        ran = run(*command)
        assert f"Done: rows/sae has {n} documents, {2 * n} tokens" in ran.err.splitlines()[-1]
    codes = saelake.connect(lake)["rows/sae"].codes().read_all()
    assert len(set(zip(*codes.select(["doc", "position", "feature"]), strict=True))) == 10 * K


def test_what_was_interrupted_continues(tmp_path: Path, parts: Path) -> None:
    save_corpus(tmp_path / "many.parquet", 2000)
    lake = str(tmp_path / "lake")
    command = ["ingest", str(tmp_path / "many.parquet"), *encoding(parts, "sae"), "--lake", lake]
    command += ["--shard-documents", "50"]
    with subprocess.Popen(
        [*PROGRAM, *command], stderr=subprocess.PIPE, text=True, env=environment()
    ) as running:
        assert running.stderr is not None
        while not running.stderr.readline().startswith("Encoding"):
            pass
        running.send_signal(signal.SIGINT)
        last = running.stderr.readlines()[-1]
        assert running.wait(60) == 130
    assert last == "Error: Interrupted. What was committed is kept; the same command continues.\n"
    ran = run(*command)
    assert (ran.code, ran.err.count("Done: many/sae has 2,000 documents")) == (0, 1)
    assert run("verify", "--lake", lake).code == 0


def test_two_dictionaries_share_one_encode(tmp_path: Path, parts: Path) -> None:
    lake = str(tmp_path / "lake")
    file = str(parts / "some words.parquet")
    assert run("import", file, "--lake", lake, "--corpus", "c").code == 0
    command = ["encode", "c", *encoding(parts, "sae", "other"), "--lake", lake]
    names = ["--name", "a", "--name", "b", "--hook", HOOK, "--hook", "layers.0"]
    ran = run(*command, *names, "--max-tokens", "4", "--values", "8-bit")
    assert (ran.code, ran.out) == (0, "")
    assert f"Warning: b states that it belongs at {HOOK}, and is run at layers.0: " in ran.err
    found = collections(lake)
    assert set(found) == {"c/a", "c/b"}
    assert [row["hook"] for row in found.values()] == [HOOK, "layers.0"]
    for name, row in found.items():
        assert f"{name} has 30 documents, {row['n_tokens']} tokens" in ran.err.splitlines()[-1]
        assert (row["values"], row["n_indexed"]) == ("8-bit", 0)
        assert row["n_tokens"] <= 4 * 30
    assert "30 documents are not indexed: run index" in asked("info", "--lake", lake)
    assert run("index", "c/b", "--lake", lake).err.endswith("Indexed 30 documents of c/b\n")
    assert collections(lake)["c/b"]["n_indexed"] == 30
    same = run("encode", "c", *encoding(parts, "sae", "sae"), "--lake", lake)
    assert same.code == 2
    assert "--name" in same.err.splitlines()[-1]


def test_an_import_says_what_it_left_out_and_why(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": 1, "text": "a"}\n{"id": 1, "text": "b"}\n{"id": 2, "text": ""}\n')
    ran = run("import", str(rows), "--lake", str(tmp_path / "lake"))
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.splitlines()[-1] == (
        "Done: 1 document added to rows (2 rows skipped: 1 × duplicate id, 1 × empty text)"
    )
    examples = "rows.jsonl, row 1: duplicate id; rows.jsonl, row 2: empty text"
    assert f"Left out: {examples} (the lake's table rows--skipped has all of them)" in ran.err
    again = run("import", str(rows), "--lake", str(tmp_path / "lake"))
    assert again.code == 0
    assert "0 documents added to rows (3 rows skipped: " in again.err
    assert "another text" not in again.err  # of one id twice the first counts


def test_known_ids_with_another_text_are_said_and_updated_or_refused(tmp_path: Path) -> None:
    rows, lake = tmp_path / "rows.jsonl", ["--lake", str(tmp_path / "lake")]
    rows.write_text("".join(f'{{"id": {i}, "text": "t{i}", "n": {i}}}\n' for i in range(12)))
    assert run("import", str(rows), *lake).code == 0
    rows.write_text("".join(f'{{"id": {i}, "text": "t{i % 9}", "n": {i}}}\n' for i in range(13)))
    ran = run("import", str(rows), *lake)
    assert ran.err.splitlines()[-1] == (
        "Done: 1 document added to rows (12 rows skipped: 12 × id already in the corpus, 3 of "
        "them with another text or other metadata: use --on-duplicate update to replace what "
        "is there)"
    )
    refused = run("import", str(rows), *lake, "--on-duplicate", "fail")
    assert refused.code == 1
    assert (
        "row 9: the corpus rows has another text or other metadata under the id '9'" in refused.err
    )
    updated = run("import", str(rows), *lake, "--on-duplicate", "update")
    assert "Done: 0 documents added to rows, 3 replaced (10 rows skipped: 10 × id" in updated.err
    assert run("verify", *lake).code == 0
    assert "documents" in asked("info", *lake)


def test_what_became_of_columns_and_ids_is_said(tmp_path: Path) -> None:
    lake = ["--lake", str(tmp_path / "lake"), "--corpus", "c"]
    pq.write_table(pa.table({"text": ["a"], "id": [1.0], "doc": [5]}), tmp_path / "a.parquet")
    ran = run("import", str(tmp_path / "a.parquet"), *lake)
    assert "The column 'doc' of" in ran.err
    assert "is called 'doc_' in the corpus." in ran.err
    assert "in the column 'id' are floating-point numbers: they became text" in ran.err
    pq.write_table(pa.table({"text": ["b"], "id": ["2"], "doc": [0.5]}), tmp_path / "b.parquet")
    ran = run("import", str(tmp_path / "b.parquet"), *lake)
    assert "Column 'doc_' of c was int64, and is double now." in ran.err


def test_several_files_and_standard_input(tmp_path: Path) -> None:
    lake = ["--lake", str(tmp_path / "lake"), "--corpus", "c"]
    (tmp_path / "a.csv").write_text("id;text\n1;x\n")
    (tmp_path / "b.csv").write_text("id|text\n2|y\n")
    ran = run("import", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), *lake)
    assert ran.err.startswith("Importing 2 locations …\n")
    assert ran.err.endswith("Done: 2 documents added to c\n")
    nameless = run("import", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), *lake[:2])
    assert (nameless.code, "give a corpus" in nameless.err) == (2, True)
    command = [*PROGRAM, "import", "-", *lake, "--format", "jsonl"]
    piped = subprocess.run(
        command,
        input='{"id": "3", "text": "z"}\n',
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert piped.stderr.splitlines()[0] == "Importing standard input …"
    assert piped.stderr.endswith("Done: 1 document added to c\n")
    assert run("import", "-", *lake).code == 2


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("rows.csv", "id,text;text,n\n1;a\n", ["--delimiter", ";", "--text-column", "text,n"]),
        ("rows.csv", "key,body\nk1,w1 w2\n", ["--text-column", "body", "--id-column", "key"]),
        ("rows.dat", '{"text": "w1 w2"}\n', ["--format", "jsonl"]),
        ("rows.tsv", "text\tyear\nw1 w2\t1999\n", []),
    ],
)
def test_a_source_is_read_as_it_is_described(
    tmp_path: Path, name: str, content: str, options: list[str]
) -> None:
    (tmp_path / name).write_text(content)
    ran = run("import", str(tmp_path / name), "--lake", str(tmp_path / "lake"), *options)
    assert ran.code == 0, ran.err
    assert ran.err.endswith("Done: 1 document added to rows\n")


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "year": 1}\n')
    file, lake = str(tmp_path / "rows.jsonl"), ["--lake", str(tmp_path / "lake")]
    ran = run("import", file, *lake, "--text-column", "body")
    assert ran.code == 1
    last = ran.err.splitlines()[-1]
    assert "'body'" in last
    assert "'text'" in last
    assert "year" in last


def test_places_factors_and_lone_windows_can_be_asked_for(tmp_path: Path, parts: Path) -> None:
    lake, file = str(tmp_path / "lake"), str(parts / "some words.parquet")
    assert run("import", file, "--lake", lake, "--corpus", "c").code == 0
    scaled = save_dictionary(tmp_path / "scaled")
    config = (scaled / "cfg.json").read_text().replace('"none"', '"expected_average_only_in"')
    (scaled / "cfg.json").write_text(config)
    model = ["--model", str(parts / "tiny-llama"), "--lake", lake]
    command = ["encode", "c", *model, "--dictionary", str(scaled)]
    assert "--norm-factor" in run(*command).err
    wrong = run(*command, "--norm-factor", "2", "--norm-factor", "3")
    assert (wrong.code, "--norm-factor is given 2 times" in wrong.err) == (2, True)
    elsewhere = [*command, "--norm-factor", "2", "--hook", "layers.0.mlp.input"]
    ran = run(*elsewhere, "--batch-invariant")
    assert ran.code == 0
    assert f"Warning: scaled states that it belongs at {HOOK}, and is run at layers.0" in ran.err
    assert set(collections(lake)) == {"c/scaled-at-layers.0.mlp.input"}
    assert "batch_invariant = True" in run(*elsewhere).err


def test_a_folder_of_texts_has_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "my texts"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(f"text of {name}")
    ran = run("import", f"{folder}/", "--lake", str(tmp_path / "lake"))
    assert "Done: 2 documents added to my_texts" in ran.err


def test_default_names() -> None:
    assert default_corpus("/data/imdb_6k.parquet") == "imdb_6k"
    assert default_corpus("hf://stanfordnlp/imdb:train") == "imdb"
    assert default_corpus("s3://bucket/a/b.jsonl.gz") == "b"
    assert default_corpus("my texts/") == "my_texts"
    assert default_corpus("a--b.csv") == "a-b"
    with pytest.raises(InvalidInput, match="--corpus"):
        default_corpus("...")


def test_sizes() -> None:
    assert parse_size("512MiB") == parse_size("512m") == parse_size(" 512 MB ") == 512 << 20
    assert parse_size("1.5G") == 3 << 29
    assert parse_size("1000000") == 1_000_000
    for wrong in ("much", "", "0", "-1", "1X", "0.1"):
        with pytest.raises(InvalidInput, match="512MiB"):
            parse_size(wrong)
