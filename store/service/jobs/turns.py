"""Whose turn it is: jobs that servers run over a lake begin one after the other."""

from collections.abc import Sequence

from saelake.store.lake.jobs import JobRecord


def is_next(jobs: Sequence[JobRecord], job_id: str) -> bool:
    """Whether a job that waits may begin: none that a server runs is at work, or waits longer.

    Runs of people at a command line are not waited for. Equals are in the order of their ids, so
    that of several servers that look at once only one finds that it is its turn.
    """
    served = [job for job in jobs if job.asked is not None and not job.has_ended]
    if any(job.state == "running" for job in served):
        return False
    first = min(served, key=lambda job: (job.started, job.id), default=None)
    return first is not None and first.id == job_id
