"""What a run took of time, memory and disk; only the standard library, as `workload`."""

import json
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Stretch:
    """A stretch of a process: begins when made, ends with `stop`.

    `peak_bytes` is the largest resident memory in it, `grown_bytes` how much that is above its
    beginning; `cpu_seconds` is of all threads.
    """

    def __init__(self) -> None:
        with suppress(OSError):  # else the peak is that of the whole process
            Path("/proc/self/clear_refs").write_text("5")
        self._resident = _status("VmRSS")
        self._cpu = time.process_time()
        self._begin = time.perf_counter()

    def stop(self) -> dict[str, float]:
        """Seconds, and the memory."""
        seconds = time.perf_counter() - self._begin
        peak = _status("VmHWM")
        return {
            "seconds": seconds,
            "cpu_seconds": time.process_time() - self._cpu,
            "peak_bytes": peak,
            "grown_bytes": peak - self._resident,
        }


def _status(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    assert found, field
    return int(found[1]) << 10


def elapsed_s(call: Callable[[], object]) -> float:
    """Seconds of a call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def size_bytes(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def print_result(**fields: object) -> None:
    """Hand the result to the process that started this one: the last line of its output."""
    sys.stdout.flush()
    print(json.dumps(fields), flush=True)
