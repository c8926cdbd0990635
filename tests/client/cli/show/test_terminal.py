"""What people see: marks and colours, any width, and texts that cannot drive the terminal."""

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from rich.cells import cell_len
from rich.console import Console

from saelake.answers.lookups import Hit, Tokens
from saelake.answers.text import size
from saelake.cli.show import lookups
from saelake.cli.show.stages import skipped
from saelake.store.reports import ImportReport
from tests.client.cli.command import asked, on_terminal, program, run
from tests.client.cli.conftest import HostileLake, longest
from tests.lakes import MadeLake

NAME = "made/random"
OUR_CODES = re.compile(r"\x1b\[[0-9;]*m")  # colours, which are all that an answer needs


def assert_harmless(shown: str) -> None:
    """Nothing in it that a terminal obeys, but the line breaks."""
    for character in shown.replace("\r\n", "\n"):
        assert character == "\n" or not unicodedata.category(character).startswith("C")


def as_words(shown: str) -> str:
    """The shown text without its lay-out and marks."""
    return " ".join(shown.replace("<<", "").replace(">>", "").split())


# --- hostile texts ---


def asking(hostile: HostileLake) -> Iterator[list[str]]:
    yield ["tokens", "rows/sae", hostile.feature]
    yield ["tokens", "rows/sae", hostile.feature, "--per", "token"]
    yield ["document", "rows/sae", "--doc", "0"]
    yield ["features", "rows/sae", "--order", "max"]
    yield ["info"]
    yield ["verify"]


def test_texts_cannot_drive_the_terminal(hostile: HostileLake) -> None:
    for arguments in asking(hostile):
        assert_harmless(asked(*arguments, "--lake", hostile.uri))
    for arguments in (["tokens", "rows/sae", hostile.feature], ["document", "rows/sae", "--doc=0"]):
        shown = as_words(asked(*arguments, "--lake", hostile.uri))
        assert "[bold]w3[/bold] [/] w4 2J w5" in shown
        assert "a ]0;title b" in shown
        assert "[2J[red]x[/red]" in shown
    code, shown = on_terminal("document", "rows/sae", "--doc", "0", "--lake", hostile.uri)
    assert code == 0
    assert OUR_CODES.search(shown)
    assert_harmless(OUR_CODES.sub("", shown))


def test_programs_get_the_texts_as_they_are(hostile: HostileLake) -> None:
    arguments = ["document", "rows/sae", "--doc", "0", "--lake", hostile.uri, "--format", "json"]
    found = json.loads(asked(*arguments))
    assert "\x1b[31mred\x1b[0m [bold]" in found["text"]
    assert found["id"].startswith("a\x1b]0;")


def test_names_cannot_drive_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "[bold]\x1b[31m[*].jsonl"
    file.write_text('{"a\\u001b[2Jb": 1}\n')
    arguments = ["import", str(file), "--corpus", "c", "--lake", str(tmp_path / "lake")]
    ran = run(*arguments)
    assert ran.code == 1
    assert_harmless(ran.err)
    assert "[bold] [31m[*].jsonl" in ran.err
    code, shown = on_terminal(*arguments, columns=400)
    assert code == 1
    assert shown.count("[bold] [31m[*].jsonl") >= 2  # the progress, then the error
    assert "\x1b[31m[*]" not in shown
    assert "\x1b[2J" not in shown
    ran = run("tokens", NAME, "1\x1b[2J\n\n2", "--lake", str(tmp_path / "none"))
    assert_harmless(ran.err)
    assert ran.err.count("\n") == 1


# --- marks, colours, widths ---


def test_the_token_is_marked_in_a_pipe_and_coloured_on_a_terminal(made: MadeLake) -> None:
    arguments = ["tokens", NAME, "3", "-k", "3", "--lake", made.lake.uri]
    piped = program(*arguments).stdout
    assert piped.count("<<") == piped.count(">>") == 3
    assert "\x1b" not in piped
    _, coloured = on_terminal(*arguments)
    assert "<<" not in coloured
    assert len(re.findall(r"\x1b\[30;48;[0-9;]*m\w", coloured)) == 3
    _, plain = on_terminal(*arguments, NO_COLOR="1")
    assert plain.count("<<") == 3
    assert "\x1b[30" not in plain
    assert as_words(OUR_CODES.sub("", coloured)) == as_words(OUR_CODES.sub("", plain))


@pytest.mark.parametrize("columns", [40, 80, 140])
def test_answers_fit_the_terminal(
    made: MadeLake, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saelake.cli.show.screen.out.width", columns)
    for command in (
        ["tokens", NAME, "3"],
        ["features", NAME],
        ["document", NAME, longest(made)],
        ["info"],
        ["verify"],
    ):
        shown = asked(*command, "--lake", made.lake.uri)
        assert max(map(len, shown.splitlines())) <= columns
        if command[0] in {"tokens", "document"}:
            assert shown.count("<<") == shown.count(">>") > 0


def hits(before: str, token: str, after: str) -> Tokens:
    hit = Hit(
        doc=0,
        id="d" * 300,
        position=0,
        value=1.0,
        token=token,
        text=before + token + after,
        token_start=len(before),
        token_length=len(token),
        metadata={"note": "x" * 300},
    )
    fields = {name: getattr(hit, name) for name in Hit.__dataclass_fields__}
    return Tokens(pa.Table.from_pylist([fields]), expression="3")


@pytest.mark.parametrize("columns", [40, 80, 140])
@pytest.mark.parametrize("around", ["", "word " * 12, "x" * 200, "語" * 150])
def test_the_token_is_visible_at_any_width(around: str, columns: int) -> None:
    console = Console(width=columns)
    with console.capture() as captured:
        console.print(lookups.tokens(hits(around, "fires", around), console))
    shown = captured.get()
    squeezed = "".join(shown.split())
    assert "<<fires>>" in squeezed
    assert squeezed.startswith("1" + around.replace(" ", "") + "<<fires>>")
    assert all(cell_len(line) <= columns for line in shown.splitlines())


# --- progress and small things ---


def test_progress_on_a_terminal_goes_when_it_is_done(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "w1"}\n')
    arguments = ["import", str(tmp_path / "rows.jsonl"), "--lake", str(tmp_path / "lake")]
    code, shown = on_terminal(*arguments)
    assert code == 0
    assert shown.endswith("Done: 1 document added to rows\r\n")
    assert "Importing" in shown


def test_skipped_rows_are_counted_by_reason() -> None:
    reasons = {"no text": 1200, "duplicate id": 3}
    report = ImportReport(corpus="c", n_documents=1, n_skipped=1203, reasons=reasons, first_doc=0)
    assert skipped(report) == " (1,203 rows skipped: 3 × duplicate id, 1,200 × no text)"
    assert skipped(replace(report, n_skipped=0, reasons={})) == ""


def test_sizes_for_people() -> None:
    sizes = {
        0: "0 B",
        999: "999 B",
        1000: "1 kB",
        1500: "1.5 kB",
        999_499: "999 kB",
        999_999: "1 MB",
        7_800_000: "7.8 MB",
        5 * 10**15: "5 PB",
    }
    assert {n: size(n) for n in sizes} == sizes
