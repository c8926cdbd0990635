"""Help, which comes at once and shows by example."""

import subprocess
import sys

import pytest

from saelake import __version__
from tests.client.cli.command import asked, program, run

COMMANDS = [
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
    "delete",
    "compact",
    "cleanup",
    "replace",
    "drop",
    "tag",
    "tags",
    "serve",
]
HEAVY = ["torch", "transformers", "lance", "grpc", "datasets", "pandas", "scipy"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_shows_an_example(command: str) -> None:
    shown = asked(command, "--help")
    assert f"Usage: saelake {command}" in shown
    assert "Example" in shown
    assert shown.count(f"saelake {command}") >= 2
    assert asked(command, "-h") == shown


def test_help_lists_every_command() -> None:
    shown = asked("--help")
    found = [line.split()[1] for line in shown.splitlines() if line.startswith("│ ")]
    assert sorted(set(found) & set(COMMANDS)) == sorted(COMMANDS)
    assert "Begin with saelake demo" in shown
    alone = run()
    assert (alone.code, alone.err) == (2, "")
    assert "Usage: saelake" in alone.out


def test_options_that_commands_share_are_on_each_that_has_a_lake_to_ask() -> None:
    for command in ("tokens", "features", "document", "export", "info", "verify"):
        shown = asked(command, "--help")
        for option in ("--lake", "--server", "--token-file", "--ca", "--cert", "--key", "--at"):
            assert option in shown
    for command in ("ingest", "encode"):
        assert "--max-tokens" in asked(command, "--help")


def test_help_needs_no_heavy_library() -> None:
    script = f"""
import sys
from saelake.cli.app import main
for command in {["", *COMMANDS]!r}:
    try:
        main([*command.split(), "--help"])
    except SystemExit as ended:
        assert ended.code == 0
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_version() -> None:
    ran = program("--version")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"saelake {__version__}\n", "")


def test_help_of_values_says_where_eight_bits_end() -> None:
    for command in ("encode", "ingest"):
        words = " ".join(asked(command, "--help").replace("│", " ").split())
        assert "below 0.00024 (2^-12) all become 0.00024" in words
