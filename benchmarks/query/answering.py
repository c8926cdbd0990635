"""A contender in a process of its own, so that its memory and what it reads are its own.

`python -m benchmarks.query.answering KIND PLACE THREADS` opens a lake (`saelake`) or a folder with
DuckDB's tables (`duckdb`), and answers each line of its input, a question, with a line.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.measure import Reads, peak_bytes
from benchmarks.common.places import ROOT
from benchmarks.common.synthetic import METADATA, NAME
from benchmarks.query.contenders import Contender, Hit, Saelake, hits
from benchmarks.query.duckdb_tables import DuckDB

SAELAKE, DUCKDB = "saelake", "DuckDB"
NAMES = {"saelake": SAELAKE, "duckdb": DUCKDB}
OPENED: Mapping[str, Callable[[str, int], Contender]] = {
    "saelake": lambda lake, _: Saelake.embedded(lake, str(NAME)),
    "duckdb": lambda folder, threads: DuckDB.on_tables(
        Path(folder), METADATA.names, threads=threads
    ),
}
OF_A_LINE = 1  # of the calls that read: the question itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer, what it took, and what all of the process read of files meanwhile."""

    seconds: float
    hits: list[Hit]
    reads: Reads


class Answering:
    """A contender's process, which is asked one question after another."""

    def __init__(self, kind: str, place: Path, threads: int) -> None:
        self.name = NAMES[kind]
        module = "benchmarks.query.answering"
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, kind, str(place), str(threads)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._line()

    def ask(self, feature: int, k: int, context: int) -> Answered:
        """The k strongest documents of a feature; the time is without the way of the answer."""
        assert self._process.stdin
        question = json.dumps({"feature": feature, "k": k, "context": context, "where": None})
        before = Reads.of(self._process.pid)
        print(question, file=self._process.stdin, flush=True)
        answer = json.loads(self._line())
        line = Reads(OF_A_LINE, len(question) + 1)
        return Answered(**answer, reads=Reads.of(self._process.pid) - before - line)

    @property
    def peak_bytes(self) -> int:
        """The largest resident memory that the process has had, with Python and its modules."""
        return peak_bytes(self._process.pid)

    def close(self) -> None:
        """End the process."""
        if self._process.returncode is None:
            self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError(f"{self.name} ended with exit code {self._process.returncode}")
        return line


def main(kind: str, place: str, threads: str) -> None:
    """Answer until the input ends."""
    contender = OPENED[kind](place, int(threads))
    print("ready", flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        begun = time.perf_counter()
        answer = contender.top(**question)
        seconds = time.perf_counter() - begun
        print(json.dumps({"seconds": seconds, "hits": hits(answer)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
