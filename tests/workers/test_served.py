"""What runs a job of a server goes after all that answers."""

import os
import subprocess
import sys

import pytest

ASK = """
import os
from saelake.store.service.begun import OOM_SCORE, be_later
from saelake.workers.served import FIRST_TO_GO, NICENESS
be_later(NICENESS, FIRST_TO_GO)
print(os.nice(0), OOM_SCORE.read_text())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says what processes are")
def test_a_job_is_last_in_line_and_the_first_to_go() -> None:
    said = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    assert said.stdout.split() == [str(min(os.nice(0) + 19, 19)), "900"]
