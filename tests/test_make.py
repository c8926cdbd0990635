"""The targets of the Makefile: a declared one without a rule would do nothing, and succeed."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
DECLARED = sorted(re.findall(r"^\.PHONY:(.*)$", MAKEFILE, re.M)[0].split())


def test_every_declared_target_has_a_rule_that_does_something() -> None:
    assert sorted(re.findall(r"^([a-z-]+):.*\n> ", MAKEFILE, re.M)) == DECLARED


def test_help_lists_every_target() -> None:
    run = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(line.split()[0] for line in run.stdout.splitlines()) == DECLARED
    assert all(len(line.split()) > 1 for line in run.stdout.splitlines())
