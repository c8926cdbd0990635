"""Opening a lake in a new process: the import, the connection and the first answer.

`python -m benchmarks.query.opening TARGET COLLECTION FEATURE` prints its resident memory when done.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.places import ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One opening: seconds from the process's start to its first answer, and its largest memory."""

    seconds: float
    peak_bytes: int


def openings(
    lake: Path, collection: str, feature: int, rounds: int, *, evict: bool
) -> Iterator[Opening]:
    """Open a lake this often; with `evict`, its files are not in memory before."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.query.opening",
        str(lake),
        collection,
        str(feature),
    ]
    for _ in range(rounds):
        if evict:
            _evict(lake)
        begun = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        yield Opening(seconds=time.perf_counter() - begun, **json.loads(done.stdout))


def _evict(folder: Path) -> None:
    """Ask the system to forget a folder's files: what is read next comes from the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def main(target: str, collection: str, feature: str) -> None:
    """Open the lake and ask one question."""
    from saelake.store.engine import Engine
    from saelake.store.requests.tokens import TokensQuery

    query = TokensQuery(collection=collection, expression=feature)
    assert Engine(target).ask(query).read_all().num_rows
    # Not getrusage: its maximum begins with that of the process that started this one.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak
    print(json.dumps({"peak_bytes": int(peak[1]) << 10}))


if __name__ == "__main__":
    main(*sys.argv[1:])
