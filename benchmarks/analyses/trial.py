"""A collection that is about to be asked, and what everyone is measured under."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.analyses.bandwidth import Bandwidth
from benchmarks.analyses.peer import Peer, Reply, run
from benchmarks.analyses.rows import Rows
from benchmarks.analyses.subject import Subject

ROWS = "rows"
OWN = (sys.executable, "-m", "benchmarks.analyses.runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The same for everyone.

    Attributes:
        n_questions: about the nearest documents, that count.
        rounds: of each question about a whole collection, in a new process each.
        n_cores: that contenders may use while they answer; indexes are built with all.
        seed: of what is asked.
        bandwidth: of this machine's memory.
        peers_python: a Python with the peers; None leaves them out.
        milvus_documents: how many documents milvus-lite gets.
    """

    n_questions: int
    rounds: int
    n_cores: int
    seed: int
    bandwidth: Bandwidth
    peers_python: Path | None
    milvus_documents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A subject with its rows in memory, and in a folder for other processes."""

    subject: Subject
    rows: Rows
    folder: Path
    conditions: Conditions

    @classmethod
    def of(cls, subject: Subject, folder: Path, conditions: Conditions) -> "Trial":
        """The trial of a subject; writes its rows, unless they are there."""
        rows = subject.rows()
        if not (folder / ROWS).exists():
            rows.save(folder / ROWS)
        elif not np.array_equal(np.load(folder / ROWS / "offsets.npy"), rows.offsets):
            raise SystemExit(f"{folder} is of other codes of {subject.name}: delete it.")
        return cls(subject=subject, rows=rows, folder=folder, conditions=conditions)

    @property
    def title(self) -> str:
        """What the tables are of."""
        return f"{self.subject.name}, {len(self.rows):,} documents"

    def peer(self, module: str, *arguments: str) -> Peer:
        """A peer that reads the rows."""
        assert self.conditions.peers_python
        return Peer(self.conditions.peers_python, module, str(self.folder / ROWS), *arguments)

    def fresh(self, command: Sequence[str]) -> Reply:
        """What a program says that runs in a new process, on as many cores as everyone has."""
        cores = sorted(os.sched_getaffinity(0))[: self.conditions.n_cores]
        return run(command, cores)
