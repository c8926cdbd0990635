"""What cannot be done is said in one line, with an exit code that other programs can read."""

import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.client.cli.command import PROGRAM, environment, run
from tests.lakes import MadeLake

NAME = "made/random"
ENCODE = ["--model", "m", "--dictionary", "d"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["tokens", "made/other", "1"], 1, "no collection made/other"),
        (["tokens", NAME, "99"], 1, "no feature 99"),
        (["tokens", NAME, "1 &"], 2, "feature number should be"),
        (["tokens", NAME, "1", "--where", "colour = 1"], 2, "colour"),
        (["tokens", NAME, "1", "-k", "0"], 2, "at least 1"),
        (["tokens", NAME, "1", "--context", "-1"], 2, "context must be"),
        (["tokens", NAME, "1", "--scope", "page"], 2, "scope"),
        (["tokens", NAME, "1", "--all", "--order", "quantiles"], 2, "needs k"),
        (["tokens", "made", "1"], 2, "corpus/dictionary"),
        (["features", NAME, "-k", "0"], 2, "at least 1"),
        (["features", NAME, "99"], 1, "no feature 99"),
        (["features", NAME, "1", "--token", "rain"], 2, "not both"),
        (["document", NAME], 2, "one of the two"),
        (["document", NAME, "nobody"], 1, "nobody"),
        (["document", NAME, "d1", "--features", "x"], 2, "12,34"),
        (["export", NAME], 2, "--codes"),
        (["export", NAME, "--codes", "c", "--where", "colour = 1"], 2, "colour"),
        (["verify", "made/other"], 1, "no collection made/other"),
        (["import", "nowhere.parquet"], 1, "nowhere.parquet"),
        (["import", "..."], 2, "--corpus"),
        (["import", __file__, "--format", "text", "--corpus", "a/b"], 2, "a/b"),
        (["encode", "other", *ENCODE], 1, "other"),
        (["encode", "made", *ENCODE, "--name", "a", "--name", "b"], 2, "--name is given 2 times"),
        (["ingest", "nowhere", *ENCODE, "--hook", "a", "--hook", "b"], 2, "--hook is given 2"),
        (["encode", "made", *ENCODE, "--memory", "much"], 2, "'much' is not a size"),
        (["index", NAME, "--memory", "0"], 2, "'0' is not a size"),
        (["index", "made/other"], 1, "no collection made/other"),
        (["info", "--server", "localhost:1", "--lake", "x"], 2, "not both"),
        (["info", "--server", "localhost:1"], 1, "does not answer"),
        (["info", "--server", "localhost:1", "--retries", "0"], 1, "does not answer"),
        (["info", "--server", "localhost:1", "--retries", "21"], 2, "retries are 0 to 20"),
        (["info", "--server", "localhost:1", "--token-file", "nowhere"], 2, "token in nowhere"),
        (["serve", "--host", "0.0.0.0"], 2, "--insecure"),
        (["serve", "--port", "0", "--cert", "a.pem"], 2, "certificate and its key"),
        # what typer finds
        (["tokens", NAME], 2, "Missing argument 'FEATURE'. (see saelake tokens --help)"),
        (["tokens", NAME, "1", "-k", "many"], 2, "'-k'"),
        (["tokens", NAME, "1", "-k"], 2, "-k"),
        (["tokens", NAME, "1", "--format", "xml"], 2, "'json'"),
        (["tokens", NAME, "1", "--bogus"], 2, "--bogus"),
        (["tokenz", NAME, "1"], 2, "'tokens'"),
        (["--bogus"], 2, "(see saelake --help)"),
    ],
)
def test_a_mistake_is_one_line(
    made: MadeLake,
    arguments: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SAELAKE_LAKE", made.lake.uri)
    monkeypatch.setenv("SAELAKE_TOKEN", "")
    monkeypatch.chdir(tmp_path)
    ran = run(*arguments)
    *before, last = ran.err.splitlines()
    assert said in last
    assert last.startswith("Error: ")
    assert not [line for line in before if not line.endswith(" …")]
    assert (ran.code, ran.out) == (code, "")
    assert not list(tmp_path.iterdir())


def test_wrong_use_is_found_before_work_begins(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "w1"}\n')
    lake = ["--lake", str(tmp_path / "lake")]
    for wrong in (["--name", "a", "--name", "b"], ["--memory", "much"]):
        ran = run("ingest", str(rows), *ENCODE, *lake, *wrong)
        assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert not (tmp_path / "lake").exists()


def test_a_lake_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    ran = run("info", "--lake", str(tmp_path / "none"))
    assert ran.code == 1
    assert "There is no lake" in ran.err
    assert not (tmp_path / "none").exists()


def test_what_is_typed_outweighs_variables(
    made: MadeLake, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = run("info", "--lake", made.lake.uri)
    monkeypatch.setenv("SAELAKE_LAKE", "nowhere")
    assert run("info", "--server", server) == info
    monkeypatch.setenv("SAELAKE_SERVER", "localhost:1")
    assert run("info", "--server", server) == run("info", "--lake", made.lake.uri) == info
    assert run("info").code == 2
    monkeypatch.setenv("SAELAKE_SERVER", server)
    monkeypatch.delenv("SAELAKE_LAKE")
    assert run("info") == info


def test_debug_shows_where_an_error_came_from(made: MadeLake) -> None:
    ran = run("--debug", "tokens", NAME, "99", "--lake", made.lake.uri)
    assert ran.code == 1
    assert ran.err.startswith("Traceback")
    assert ran.err.count("Traceback") == 1
    assert ran.err.splitlines()[-1].startswith("Error: made/random has no feature 99")


def test_a_file_that_cannot_be_written_is_named(made: MadeLake, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for target, code in ((tmp_path, 2), (tmp_path / "file" / "x", 1)):
        ran = run("export", NAME, "--codes", str(target), "--lake", made.lake.uri)
        assert ran.code == code
        assert str(tmp_path) in ran.err.splitlines()[-1]
        assert "Traceback" not in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def piped(command: list[str], reader: str) -> tuple[int, str]:
    """How the command ends when its answer goes to this shell command, and what it complains of."""
    shell = f'"$@" {reader}; exit ${{PIPESTATUS[0]}}'
    ran = subprocess.run(
        ["bash", "-c", shell, "bash", *PROGRAM, *command],
        capture_output=True,
        text=True,
        env=environment(PYTHONUNBUFFERED=""),
        check=False,
    )
    return ran.returncode, ran.stderr


@pytest.mark.parametrize("shape", ["json", "csv", "table"])
def test_a_reader_that_stops_early_is_no_error(made: MadeLake, shape: str) -> None:
    command = ["tokens", NAME, "3", "--lake", made.lake.uri, "-f", shape]
    if shape == "csv":  # more than a pipe's buffer and a short answer end differently
        command += ["--all", "--per", "token", "--context", "100000"]
    assert piped(command, "| true") == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
@pytest.mark.parametrize("shape", ["json", "table"])
def test_a_full_disk_is_said(made: MadeLake, shape: str) -> None:
    command = ["tokens", NAME, "3", "--lake", made.lake.uri, "-f", shape]
    assert piped(command, "> /dev/full") == (1, "Error: No space left on device.\n")


def test_ctrl_c_ends_the_wait_for_a_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        command = [*PROGRAM, "info", "--server", f"127.0.0.1:{silent.getsockname()[1]}"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as waiting:
            connection, _ = silent.accept()
            with connection:
                time.sleep(0.2)
                waiting.send_signal(signal.SIGINT)
                _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert said.startswith("Error: Interrupted.")
    assert said.count("\n") == 1
