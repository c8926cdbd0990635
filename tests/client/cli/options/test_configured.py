"""Settings of a server: typed, in a variable, in a file, or left to the default."""

import tomllib
from pathlib import Path

import pytest

from tests.client.cli.command import asked, run

FILE = """
port = 1234
drain-delay = 5
preload = ["made/random"]
insecure = true
[limits]
answer-bytes = "1GiB"
threads = 4
answers = 10
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "server.toml"
    path.write_text(FILE)
    return path


def printed(*arguments: str) -> str:
    return asked("serve", "--print-config", *arguments)


def test_what_is_typed_outweighs_variables_and_these_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAELAKE_SERVE_LIMIT_THREADS", "5")
    monkeypatch.setenv("SAELAKE_SERVE_PORT", "2345")
    lines = printed("--config", str(file), "--port", "3456").splitlines()
    assert "port = 3456  # --port" in lines
    assert "threads = 5  # SAELAKE_SERVE_LIMIT_THREADS" in lines
    assert f"answers = 10  # {file}" in lines
    assert f"answer-bytes = {1 << 30}  # {file}" in lines
    assert "grace = 30.0  # default" in lines
    assert "# cert is not set" in lines


def test_the_file_may_be_named_by_a_variable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAELAKE_SERVE_CONFIG", str(file))
    assert f"drain-delay = 5.0  # {file}" in printed().splitlines()


def test_what_is_printed_is_a_file_that_says_the_same(file: Path, tmp_path: Path) -> None:
    once = printed("--config", str(file))
    copy = tmp_path / "copy.toml"
    copy.write_text(once)
    assert tomllib.loads(printed("--config", str(copy))) == tomllib.loads(once)


def test_a_name_may_be_written_with_underscores(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text('token_file = "token"\n[limits]\ncalls_per_s = 5.0\n')
    lines = printed("--config", str(path)).splitlines()
    assert f'token-file = "token"  # {path}' in lines
    assert f"calls-per-s = 5.0  # {path}" in lines


def test_variables_of_other_commands_hold_here_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAELAKE_LAKE", "elsewhere")
    assert 'lake = "elsewhere"  # SAELAKE_LAKE' in printed()
    monkeypatch.setenv("SAELAKE_SERVE_LAKE", "here")
    assert 'lake = "here"  # SAELAKE_SERVE_LAKE' in printed()


def test_no_secret_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAELAKE_TOKEN", "a token of enough characters")
    shown = printed("--traces", "http://me:password@collector:4317")
    assert "# token is that of SAELAKE_TOKEN" in shown
    assert "a token of" not in shown
    assert "password" not in shown


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("prot = 1", "port"), ("[limits]\nanswer = 1", "limit_answers"), ("answers = 1", "")],
)
def test_an_unknown_key_is_an_error_that_names_the_nearest(
    tmp_path: Path, text: str, nearest: str
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    ran = run("serve", "--config", str(path), "--print-config")
    assert (ran.code, ran.out) == (2, "")
    assert f"no setting of the server; the nearest is {nearest}" in ran.err


def test_an_unknown_variable_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAELAKE_SERVE_GRAC", "3")
    ran = run("serve", "--print-config")
    assert ran.code == 2
    assert "SAELAKE_SERVE_GRAC is no setting" in ran.err
    assert "the nearest is SAELAKE_SERVE_GRACE." in ran.err


@pytest.mark.parametrize(
    "text", ["port = ", "limits = 3", 'port = "many"', 'limits = {answers="many"}']
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    ran = run("serve", "--config", str(path), "--print-config")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    ran = run("serve", "--config", str(tmp_path / "none.toml"))
    assert ran.code == 1
    assert "Cannot read" in ran.err
