"""Jobs: how far they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from saelake.answers.answer import Answer
from saelake.answers.view import View
from saelake.store.reports import ENDED, JobReport

SEVERAL = ("collections", "notes", "warnings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job of its `kind`: `n_documents` of `n_total` are done, in `n_repeated` shards again.

    The kinds are encode, index, embed, label (whose features are counted in `n_documents`, and
    those that have a label in `n_labels`) and project (points, of which `n_fitted` were laid out).
    `state` is queued, running, done, failed (`problem` says why), cancelled or interrupted; one
    that has shown no sign of life since its `heartbeat` for a minute is taken to be interrupted.
    Nothing is known yet while it `is_loading`. Where jobs stand with a collection (`Info`), only
    the fields up to `n_tokens` are told.
    """

    id: str
    kind: str = "encode"
    state: str
    problem: str | None
    host: str
    pid: int
    started: datetime
    heartbeat: datetime
    n_workers: int
    n_in_flight: int
    n_repeated: int
    n_documents: int
    n_total: int
    n_failed: int
    n_tokens: int
    corpus: str | None = None
    collections: tuple[str, ...] = ()
    error: str | None = None
    is_loading: bool = False
    n_codes: int = 0
    n_postings: int = 0
    n_segments: int = 0
    n_labels: int = 0
    n_fitted: int = 0
    n_clusters: int = 0
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Job":
        """The job of a row of an answer, or of a report."""
        several = {
            name: tuple(row.get(name) or ()) for name in ("collections", "notes", "warnings")
        }
        return cls(**{**row, **several})

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it runs or waits any more."""
        return self.state in ENDED


def job_of(report: JobReport) -> Job:
    """The job that a report tells of."""
    row = {name: getattr(report, name) for name in report.__dataclass_fields__}
    return Job.of({**row, "started": report.began, "heartbeat": report.seen})


class Jobs(Answer[Job]):
    """The jobs that are known, the latest first."""

    called = "jobs"

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, lambda **row: Job.of(row))

    def _view(self, rows: Sequence[Job]) -> View:
        return View(
            header=("id", "kind", "of", "state", "done", "of all", "failed", "problem"),
            rows=[
                (
                    job.id,
                    job.kind,
                    ", ".join(job.collections) or job.corpus,
                    job.state,
                    job.n_documents,
                    job.n_total,
                    job.n_failed,
                    job.problem,
                )
                for job in rows
            ],
        )
