"""Memory that large arrays leave behind."""

import subprocess
import sys

import pyarrow as pa
import pytest

from saelake.store.arrays.memory import lean

# In a process of its own, whose heap has no room of earlier work for the arrays to go to.
PROGRAM = """
import sys
from contextlib import nullcontext
from pathlib import Path
import numpy as np
from saelake.store.arrays.memory import lean, returning

def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

first = np.ones(16 << 20, np.uint8)  # freeing it raises glibc's own threshold
del first
ways = {"lean": lean, "returning": returning}
with ways.get(sys.argv[1], nullcontext)():
    before = resident_bytes()
    arrays = [np.ones(8 << 20, np.uint8) for _ in range(16)]
    last = arrays.pop()  # above the others in a heap, where it keeps them from going back
    del arrays
    print((resident_bytes() - before) >> 20)
"""


def left_mebibytes(how: str) -> int:
    """What is left of 128 MiB of arrays when all but one of 8 MiB are dropped."""
    command = [sys.executable, "-c", PROGRAM, how]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and is about glibc")
def test_dropped_arrays_go_back_to_the_system() -> None:
    assert left_mebibytes("as it is") > 100
    assert left_mebibytes("lean") < 12
    assert left_mebibytes("returning") < 12


def test_arrow_has_its_own_pool_back() -> None:
    pool = pa.default_memory_pool().backend_name
    with lean():
        assert pa.default_memory_pool().backend_name == "system"
    assert pa.default_memory_pool().backend_name == pool
