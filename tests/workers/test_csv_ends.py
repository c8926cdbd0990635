"""A CSV file that is refused ends the program with its message, and never by an abort."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from saelake.workers.corpus import open_source

N_IMPORTS = 40


def test_the_beginning_of_a_file_is_not_in_python_s_memory(tmp_path: Path) -> None:
    """A thread of pyarrow's may let go of it when Python has ended: that aborts the process."""
    file = tmp_path / "rows.csv"
    file.write_text("id,text\n" + "1,some words\n" * 300_000)
    tracemalloc.start()
    try:
        open_source(str(file))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < file.stat().st_size / 4


@pytest.mark.slow
def test_many_failed_imports_all_end_with_code_1(tmp_path: Path) -> None:
    """Of those before, one in ten was aborted."""
    file = tmp_path / "rows.csv"
    file.write_text("id,body,score\n1,2,3\n")
    command = [sys.executable, "-m", "saelake", "import", str(file), "--lake", str(tmp_path / "l")]
    codes = {subprocess.run(command, capture_output=True).returncode for _ in range(N_IMPORTS)}
    assert codes == {1}
