"""Runs a server's jobs, each in a process of its own, which ends with the server.

What there is to know of a job is in the lake (`JobLog`): whoever reaches that can watch and cancel
it, and what it has committed when it ends, in whatever way, is there for the next.
"""

import logging
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Condition, Thread

from saelake.store.errors import AlreadyExists, LimitExceeded, Unavailable
from saelake.store.lake.jobs import HEARTBEAT_S, JobLog, JobRecord
from saelake.store.lake.lake import Lake
from saelake.store.reports import JobReport
from saelake.store.requests.commands.jobs import JobCommand
from saelake.store.service.begun import ending, environment
from saelake.store.service.jobs.asked import asked_job
from saelake.store.service.jobs.models import JobModels
from saelake.store.service.jobs.turns import is_next

log = logging.getLogger("saelake.server")

GRACE_S = 10.0  # for a job to end by itself
MOST_WAITING = 100
QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1"}


class JobRunner:
    """The jobs that one server was asked to run, in the order in which they came; thread-safe.

    `program` is what a job is given to: a command line, to which the lake and the job's id are
    added. `models` are those that it may load beside what the lake knows.
    """

    def __init__(self, lake: Lake, program: Sequence[str], models: JobModels | None = None) -> None:
        self._lake = lake.from_anywhere
        self._program = tuple(program)
        self._models = models or JobModels()
        self._log = JobLog(lake)
        self._waiting: deque[str] = deque()
        self._changed = Condition()
        self._closed = False
        self._thread: Thread | None = None
        self._shown = time.monotonic()  # when those that wait were last seen

    def begin(self, command: JobCommand) -> JobReport:
        """Let the job of a command wait for its turn. See `start` and `asked_job`."""
        return self.start(asked_job(self._lake, command, self._models)).report

    def start(self, job: JobRecord) -> JobRecord:
        """Let a job wait for its turn; one of its id that is there already is as it is.

        Raises `AlreadyExists` where that was asked something else, `LimitExceeded` when too many
        wait, and what hinders that it is written down.
        """
        with self._changed:
            known = self._log.find(job.id)
            if known is not None:
                return _same(known, job)
            if self._closed:
                raise Unavailable("The server is being stopped, and begins no more jobs.")
            if len(self._waiting) >= MOST_WAITING:
                raise LimitExceeded(f"{MOST_WAITING} jobs wait already, the most that may.")
            now = time.time()  # in the order of the lock, whoever made the record first
            job = replace(job, started=now, heartbeat=now)
            self._log.add(job)
            self._waiting.append(job.id)
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run_all, name="saelake-jobs", daemon=True)
                self._thread.start()
            self._changed.notify()
        return job

    def close(self) -> None:
        """End the job that runs, and those that wait."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run_all(self) -> None:
        while not self._closed:
            with _surviving("Whose turn it is cannot be said now"):
                if (job_id := self._next()) is not None:
                    self._run_told(job_id)
        for job_id in self._in_line():
            with _surviving("A job that waited could not be told of"):
                self._tell(job_id, state="interrupted", problem="The server was stopped.")

    def _run_told(self, job_id: str) -> None:
        try:
            self._run(job_id)
        except Exception as error:  # as where no process can be started: others go on
            log.exception("The job %s could not be run", job_id)
            self._tell(job_id, state="failed", problem=f"It could not be run: {error}")
        self._log.forget_old()

    def _next(self) -> str | None:
        """The job whose turn it is; None where there is none yet, after a pause."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting)
        if self._closed:
            return None
        with _surviving("The jobs that wait cannot be looked at"):
            self._tend()
            if (found := self._turn()) is not None:
                self._drop(found)
                return found
        self._pause()
        return None

    def _turn(self) -> str | None:
        """The one of those that wait here that may begin, by what all servers of the lake tell."""
        mine = self._in_line()
        known = {job.id: job for job in self._log.unended()}
        for job_id in mine:
            if job_id not in known:  # it has ended, or somebody took its file away
                log.warning("The job %s waits no more: it is not among those that do", job_id)
                self._drop(job_id)
        now = time.time()
        jobs = [job if job.id in mine else job.seen_at(now) for job in known.values()]
        return next((job_id for job_id in mine if is_next(jobs, job_id)), None)

    def _in_line(self) -> tuple[str, ...]:
        with self._changed:
            return tuple(self._waiting)

    def _pause(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed, timeout=self._log.poll_s)

    def _tend(self) -> None:
        """Let go of jobs that wait and are cancelled, and show that the others still wait."""
        waiting = self._in_line()
        if not waiting:
            return
        cancelled = self._log.cancelled()
        is_due = time.monotonic() - self._shown > HEARTBEAT_S
        for job_id in waiting:
            if job_id in cancelled:
                self._tell(job_id, state="cancelled")
                self._drop(job_id)
            elif is_due:
                self._tell(job_id)
        if is_due:
            self._shown = time.monotonic()

    def _drop(self, job_id: str) -> None:
        with self._changed, suppress(ValueError):
            self._waiting.remove(job_id)

    def _run(self, job_id: str) -> None:
        self._tell(job_id, state="running", is_loading=True)
        child = subprocess.Popen(
            [*self._program, self._lake.uri, job_id],
            stdin=subprocess.PIPE,  # which ends with this process
            stdout=subprocess.DEVNULL,
            env={**environment(), **QUIET},
            start_new_session=True,  # a Ctrl-C at a terminal is for the server
        )
        try:
            cancelled = self._followed(child, job_id)
        finally:
            if child.poll() is None:
                _end(child)
            if child.stdin is not None:
                child.stdin.close()
        self._settle(job_id, child.wait(), cancelled)

    def _followed(self, child: "subprocess.Popen[bytes]", job_id: str) -> bool:
        """Return when a process has ended or is to end; whether its job is cancelled."""
        while child.poll() is None and not self._closed:
            if self._log.is_cancelled(job_id):
                return True
            with _surviving("The jobs that wait cannot be looked at"):
                self._tend()
            self._pause()
        return False

    def _settle(self, job_id: str, code: int, cancelled: bool) -> None:
        """Say how a job ended that could not say so itself."""
        job = self._find(job_id)
        if job is None or job.state == "done" or (job.state == "failed" and not cancelled):
            return
        if cancelled:
            self._tell(job_id, state="cancelled", problem=None, error=None)
        elif self._closed:
            self._tell(job_id, state="interrupted", problem="The server was stopped.")
        elif not job.has_ended:
            problem = f"Its process ended ({ending(code)}); what it has committed is kept."
            self._tell(job_id, state="failed", problem=problem)

    def _find(self, job_id: str) -> JobRecord | None:
        """What was told of a job last; None where that cannot be read."""
        with suppress(OSError):
            return self._log.written(job_id)
        return None

    def _tell(self, job_id: str, **changes: object) -> None:
        if (job := self._find(job_id)) is not None:
            told: dict[str, object] = {"heartbeat": time.time(), "is_loading": False, **changes}
            self._log.write(replace(job, **told))  # type: ignore[arg-type]  # by name


@contextmanager
def _surviving(what: str) -> Iterator[None]:
    """A block whose errors are logged: the jobs that come after it are run all the same."""
    try:
        yield
    except Exception:
        log.exception("%s", what)


def _same(known: JobRecord, asked: JobRecord) -> JobRecord:
    if known.asked != asked.asked:
        raise AlreadyExists(
            f"There is a job {known.id!r} already, and it is another: give this one its own id.",
            job=known.id,
        )
    return known


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Let a process commit what it has and end; or else end it."""
    with suppress(OSError):
        child.send_signal(signal.SIGINT)
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
