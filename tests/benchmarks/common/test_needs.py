"""What a benchmark lacks is said by the Python that lacks it, with the package that has it."""

import sys
from pathlib import Path

import pytest

from benchmarks.common import needs
from benchmarks.common.needs import PACKAGES, require, require_in

ROOT = Path(__file__).parents[3]
HERE = Path(sys.executable)


@pytest.fixture(autouse=True)
def _unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    packages = {**PACKAGES, "no_such_module": "no-such==1", "nor_such": "nor-such", "json": "json"}
    monkeypatch.setattr(needs, "PACKAGES", packages)


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that was said."""
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_what_is_there_is_not_mentioned(capsys: pytest.CaptureFixture[str]) -> None:
    require("json")
    require_in(HERE, "json")
    assert capsys.readouterr() == ("", "")


def test_all_that_is_missing_here_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        require("no_such_module", "json", "nor_such")
    assert ended.value.code == 2
    assert refused(capsys).endswith("no_such_module, nor_such: pip install no-such==1 nor-such")


def test_another_python_is_asked_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        require_in(HERE, "json", "no_such_module")
    assert ended.value.code == 2
    assert refused(capsys).endswith(f"no_such_module: {HERE} -m pip install no-such==1")


@pytest.mark.parametrize("program", ["no/such/python", "false"])
def test_what_is_no_python_is_said(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        require_in(Path(program), "json")
    assert ended.value.code == 2
    assert refused(capsys).startswith(f"{program} is no Python")


def test_packages_are_those_that_the_instructions_install() -> None:
    told = [(ROOT / name).read_text() for name in ("benchmarks/README.md", "pyproject.toml")]
    for package in PACKAGES.values():
        assert package in "".join(told)
