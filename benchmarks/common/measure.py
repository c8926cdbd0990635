"""What a run took of time, memory and disk; only the standard library, as `workload`."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.places import ROOT


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


def peak_bytes(process: int) -> int:
    """The largest resident memory that a process has had."""
    return _status("VmHWM", process)


def _status(field: str, process: int | str = "self") -> int:
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.M)
    assert found, field
    return int(found[1]) << 10


@dataclass(frozen=True, slots=True)
class Reads:
    """What all threads of a process have read so far: system calls, and bytes that these gave.

    From a disk or from the system's memory of it; what is mapped into memory is not counted.
    """

    calls: int
    n_bytes: int

    @classmethod
    def of(cls, process: int) -> "Reads":
        """Those of a process of this user."""
        lines = Path(f"/proc/{process}/io").read_text().splitlines()
        found = dict(line.split(": ") for line in lines)
        return cls(int(found["syscr"]), int(found["rchar"]))

    def __sub__(self, other: "Reads") -> "Reads":
        return Reads(self.calls - other.calls, self.n_bytes - other.n_bytes)


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


def fresh(module: str, *arguments: object) -> dict[str, float]:
    """What a module's program hands over with `print_result`, from a process of its own.

    Raises `RuntimeError` if it does not end well; what it said went to standard error.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{module} {arguments[0]} ended with exit code {done.returncode}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result
