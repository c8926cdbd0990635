"""Jobs: what runs over a lake, as its drivers tell. What is stored is never decided by it.

Jobs that a server runs wait for each other by it, and are cancelled by a file beside it: so any
process that reaches the lake can watch and end them.
"""

import json
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from itertools import product
from typing import Any, Self
from uuid import uuid4

from saelake.store.errors import NotFound
from saelake.store.format.schema import NAME
from saelake.store.lake.lake import Lake
from saelake.store.reports import JobReport
from saelake.store.tables.files import delete, list_files, local_path, read_bytes, write_bytes

HEARTBEAT_S = 10.0
SILENT_S = 6 * HEARTBEAT_S  # after which a running job is taken for dead
TIMES = ("started", "heartbeat")
SEVERAL = ("collections", "notes", "warnings")
KEPT = 20  # jobs that have ended
POLL_S, POLL_FAR_S = 0.5, 3.0
CANCEL = ".cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord(JobReport):
    """A job as it is written down: one run of encode over a corpus, that had something to do, or
    what a server was asked to run. `asked` is what that is.
    """

    id: str = field(default_factory=lambda: f"{time.time():.0f}-{uuid4().hex[:8]}")
    host: str = field(default_factory=platform.node)
    pid: int = field(default_factory=os.getpid)
    started: float = field(default_factory=time.time)
    heartbeat: float = field(default_factory=time.time)
    asked: Mapping[str, Any] | None = None

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The job that `to_json` wrote, also of a version that knew more."""
        known = {f.name for f in fields(cls)}
        found = {name: value for name, value in json.loads(text).items() if name in known}
        return cls(**found | {name: tuple(found.get(name, ())) for name in SEVERAL})

    def to_json(self) -> str:
        """The job as one JSON object."""
        return json.dumps(asdict(self))

    def row(self) -> dict[str, Any]:
        """The job as an answer has it, with its times in UTC."""
        told = {name: value for name, value in asdict(self).items() if name != "asked"}
        return {**told, **{name: datetime.fromtimestamp(told[name], UTC) for name in TIMES}}

    @property
    def report(self) -> JobReport:
        """The job as it is told, without what was asked."""
        return JobReport(**{f.name: getattr(self, f.name) for f in fields(JobReport)})

    def seen_at(self, now: float) -> Self:
        """The job as a reader sees it: one that says nothing any more is interrupted."""
        silent = not self.has_ended and now - self.heartbeat > SILENT_S
        return replace(self, state="interrupted") if silent else self


class JobLog:
    """The jobs of a lake, a file each."""

    def __init__(self, lake: Lake) -> None:
        self._folder = f"{lake.uri.rstrip('/')}/jobs"
        self._ended: set[str] = set()  # the files of jobs that are known to have ended

    @property
    def poll_s(self) -> float:
        """How often to look: a look at an object store is several requests."""
        return POLL_S if local_path(self._folder) is not None else POLL_FAR_S

    def add(self, job: JobRecord) -> None:
        """Write a job down that others are to know of. Raises what hinders that."""
        uri = f"{self._folder}/{job.id}.json"
        self._ended.discard(uri)
        write_bytes(uri, job.to_json().encode())

    def write(self, job: JobRecord) -> None:
        """Tell of a job; it is no harm when that cannot be done."""
        with suppress(OSError):
            self.add(job)

    def jobs(self) -> Sequence[JobRecord]:
        """All that are known, the latest first."""
        now = time.time()
        found = [job.seen_at(now) for job in self._read()]
        return sorted(found, key=lambda job: (job.started, job.id), reverse=True)

    def unended(self) -> Sequence[JobRecord]:
        """Those of which nobody wrote that they ended, silent ones too. Raises what hinders that.

        A file of one that has ended is read once.
        """
        uris = [uri for uri in list_files(self._folder) if uri.endswith(".json")]
        self._ended &= set(uris)
        found = []
        for uri in uris:
            job = None if uri in self._ended else _job_at(uri)
            if job is not None and job.has_ended:
                self._ended.add(uri)
            elif job is not None:
                found.append(job)
        return found

    def find(self, job_id: str) -> JobRecord | None:
        """The job of this id, or None."""
        found = self.written(job_id)
        return None if found is None else found.seen_at(time.time())

    def written(self, job_id: str) -> JobRecord | None:
        """The job of this id as it was told last, also long ago; or None."""
        data = read_bytes(f"{self._folder}/{job_id}.json") if NAME.fullmatch(job_id) else None
        return None if data is None else JobRecord.from_json(data)

    def open(self, job_id: str) -> JobRecord:
        """The job of this id. Raises `NotFound`."""
        found = self.find(job_id)
        if found is None:
            raise no_job(job_id)
        return found

    def cancel(self, job_id: str) -> None:
        """Say that a job is to end."""
        write_bytes(f"{self._folder}/{job_id}{CANCEL}", b"")

    def cancelled(self) -> frozenset[str]:
        """The jobs of which somebody said that they are to end."""
        names = (uri.rpartition("/")[2] for uri in list_files(self._folder))
        return frozenset(n.removesuffix(CANCEL) for n in names if n.endswith(CANCEL))

    def is_cancelled(self, job_id: str) -> bool:
        """Whether somebody said that a job is to end; no where that cannot be read."""
        with suppress(OSError):
            return read_bytes(f"{self._folder}/{job_id}{CANCEL}") is not None
        return False

    def forget_old(self) -> None:
        """Keep the jobs that run or wait, and the latest of the others."""
        ended = [job for job in self.jobs() if job.has_ended]
        for job, suffix in product(ended[KEPT:], ("json", "cancel")):
            with suppress(OSError):
                delete(f"{self._folder}/{job.id}.{suffix}")

    def _read(self) -> Iterator[JobRecord]:
        with suppress(OSError):  # as when it was written
            for uri in filter(lambda uri: uri.endswith(".json"), list_files(self._folder)):
                if (job := _job_at(uri)) is not None:
                    yield job


def no_job(job_id: str) -> NotFound:
    """That there is no job of this id."""
    return NotFound(f"There is no job {job_id!r}. See `saelake jobs`.", job=job_id)


def _job_at(uri: str) -> JobRecord | None:
    """The job that is written there; None where there is none."""
    data = read_bytes(uri)
    with suppress(ValueError, TypeError, AttributeError):  # a file that is not ours
        return None if data is None else JobRecord.from_json(data)
    return None
