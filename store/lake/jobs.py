"""Encode jobs: what runs over a lake, as its drivers tell. Nothing is ever decided by it."""

import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal, Self
from uuid import uuid4

from saelake.store.lake.lake import Lake
from saelake.store.tables.files import delete, list_files, read_bytes, write_bytes

JobState = Literal["running", "done", "failed", "interrupted"]

HEARTBEAT_S = 10.0
SILENT_S = 6 * HEARTBEAT_S  # after which a running job is taken for dead
TIMES = ("started", "heartbeat")
KEPT = 20  # jobs that have ended


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One run of encode over a corpus, that had something to do. Times are seconds since 1970.

    `n_documents` of `n_total` are encoded; `n_repeated` shards were handed out again.
    """

    id: str = field(default_factory=lambda: f"{time.time():.0f}-{uuid4().hex[:8]}")
    corpus: str
    collections: tuple[str, ...] = ()
    host: str = field(default_factory=platform.node)
    pid: int = field(default_factory=os.getpid)
    started: float = field(default_factory=time.time)
    heartbeat: float = field(default_factory=time.time)
    state: JobState = "running"
    problem: str | None = None
    n_workers: int = 0
    n_in_flight: int = 0
    n_repeated: int = 0
    n_documents: int = 0
    n_total: int = 0
    n_failed: int = 0
    n_tokens: int = 0

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The job that `to_json` wrote, also of a version that knew more."""
        known = {f.name for f in fields(cls)}
        found = {name: value for name, value in json.loads(text).items() if name in known}
        return cls(**{**found, "collections": tuple(found.get("collections", ()))})

    def to_json(self) -> str:
        """The job as one JSON object."""
        return json.dumps(asdict(self))

    def row(self) -> dict[str, Any]:
        """The job as an answer has it: its times in UTC, and nothing of what it is over."""
        over = {"corpus", "collections"}
        told = {name: value for name, value in asdict(self).items() if name not in over}
        return {**told, **{name: datetime.fromtimestamp(told[name], UTC) for name in TIMES}}

    def seen_at(self, now: float) -> Self:
        """The job as a reader sees it: one that says nothing any more is interrupted."""
        silent = self.state == "running" and now - self.heartbeat > SILENT_S
        return replace(self, state="interrupted") if silent else self


class JobLog:
    """The jobs of a lake, a file each."""

    def __init__(self, lake: Lake) -> None:
        self._folder = f"{lake.uri.rstrip('/')}/jobs"

    def write(self, job: JobRecord) -> None:
        """Tell of a job; it is no harm when that cannot be done."""
        with suppress(OSError):
            write_bytes(f"{self._folder}/{job.id}.json", job.to_json().encode())

    def jobs(self) -> Sequence[JobRecord]:
        """All that are known, the latest first."""
        now = time.time()
        found = [job.seen_at(now) for job in self._read()]
        return sorted(found, key=lambda job: (job.started, job.id), reverse=True)

    def forget_old(self) -> None:
        """Keep the running jobs and the latest of the others."""
        ended = [job for job in self.jobs() if job.state != "running"]
        for job in ended[KEPT:]:
            with suppress(OSError):
                delete(f"{self._folder}/{job.id}.json")

    def _read(self) -> Iterator[JobRecord]:
        with suppress(OSError):  # as when it was written
            for uri in list_files(self._folder):
                data = read_bytes(uri)
                with suppress(ValueError, TypeError, AttributeError):  # a file that is not ours
                    if data is not None:
                        yield JobRecord.from_json(data)
