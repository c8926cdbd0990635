"""Workers on a Ray cluster. The one file that speaks Ray.

A worker is an actor that Ray never restarts: what becomes of its shards is for `schedule` to
decide. In place of one that dies another is asked for, which Ray starts when and where there is
room, so that workers follow machines that come and go.
"""

import logging
import os
import socket
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from queue import SimpleQueue
from typing import Any, Literal

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a run tells nobody of itself
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns that it will be

import ray
from ray.exceptions import RayActorError, RayError

from saelake.store.errors import InvalidInput, SaelakeError, Unavailable
from saelake.store.shards import TableSettings
from saelake.workers.cluster import RayCluster
from saelake.workers.job import EncodeJob
from saelake.workers.pool import News, Paged
from saelake.workers.schedule import Event, Failed, Failure, Joined, Lost, Written
from saelake.workers.shard import Shard
from saelake.workers.worker import Worker
from saelake.workers.worker_thread import WorkerThread

OBJECT_STORE_BYTES = 128 << 20  # of a Ray that is started here: only small answers go through it
CALLS_AT_ONCE = 8  # of an actor, each of which waits in a thread
KNOCK_S = 10.0
LOADS = 3  # workers in a row that may die or fail while they load
OTHER_FILES = (
    "it loaded another model or dictionary than the first one did. Put the same files at the same "
    "place on every machine."
)

Asked = Literal["load", "encode"]


class RayWorker:
    """A worker in an actor. Its methods answer with failures, which Ray would dress as its own."""

    def __init__(self, name: str, job: EncodeJob, n_threads: int) -> None:
        self._name = name
        self._job = job
        self._n_threads = n_threads
        self._answers: dict[Shard, SimpleQueue[Event]] = {}

    def load(self) -> Sequence[TableSettings] | Failure:
        """Load the model and the dictionaries; the collections that they make."""
        import torch

        torch.set_num_threads(self._n_threads)
        try:
            self._worker = Worker.load(self._job)
        except Exception as error:
            return _sendable(Failure.of(error))
        self._thread = WorkerThread(self._name, self._worker, self._tell)
        return self._worker.settings

    def register(self) -> Failure | None:
        """Tell the lake of the dictionaries."""
        try:
            self._worker.register()
        except Exception as error:
            return _sendable(Failure.of(error))
        return None

    def encode(self, shard: Shard) -> Event:
        """Encode a shard, after those that it has; what became of it."""
        answer = self._answers[shard] = SimpleQueue()
        self._thread.send(shard)
        return answer.get()

    def _tell(self, news: News) -> None:
        match news:
            case Written():
                self._answers.pop(news.encoded.shard).put(news)
            case Failed():
                told = replace(news, failure=_sendable(news.failure))
                self._answers.pop(news.shard).put(told)
            case Paged():
                pass  # a shard is soon done, and each message costs the driver time


def _sendable(failure: Failure) -> Failure:
    """The failure with an error that every process can read: one of saelake's or the system's."""
    error = failure.error
    if error is None or isinstance(error, SaelakeError):
        return failure
    own = OSError(str(error)) if isinstance(error, OSError) else None
    return replace(failure, error=own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What an actor was asked, and is to answer."""

    worker: str
    asks: Asked


class RayPool:
    """Workers on a Ray cluster; see `Pool`."""

    def __init__(self, job: EncodeJob, cluster: RayCluster) -> None:
        self._job = job.from_anywhere()
        self._cluster = cluster
        self._names = (f"ray-{number}" for number in count())
        self._actors: dict[str, Any] = {}
        self._calls: dict[Any, Call] = {}
        self._early: Sequence[News] = ()
        self._settings: Sequence[TableSettings] | None = None
        self._n_broken = 0
        self._is_ours = False

    def open(self) -> Sequence[TableSettings]:
        """See `Pool`. Also raises `Unavailable` when there is no cluster, or no worker starts."""
        self._connect()
        self._share = self._cluster.share(*_resources())
        self._check_room()
        for _ in range(self._share.workers):
            self._start()
        while True:
            joined = [news for news in self.news(timeout_s=1.0) if isinstance(news, Joined)]
            for place, news in enumerate(joined):
                if self._registered(news.worker):
                    self._early = joined[place:]
                    assert self._settings is not None
                    return self._settings

    def send(self, worker: str, shard: Shard) -> None:
        """See `Pool`."""
        self._ask(worker, "encode", shard)

    def drop(self, worker: str) -> None:
        """See `Pool`. What it still answers is heard all the same."""
        actor = self._actors.pop(worker, None)
        if actor is not None:
            ray.kill(actor, no_restart=True)
            self._start()

    def news(self, timeout_s: float) -> Sequence[News]:
        """See `Pool`."""
        early, self._early = self._early, ()
        if early:
            return early
        if not self._calls:  # nobody is at work
            time.sleep(timeout_s)
            return []
        calls = list(self._calls)
        ready, _ = ray.wait(calls, num_returns=1, timeout=timeout_s)
        if ready:  # and what else has come by now
            ready, _ = ray.wait(calls, num_returns=len(calls), timeout=0)
        return [news for call in ready if (news := self._answered(call)) is not None]

    def close(self) -> None:
        """See `Pool`."""
        with suppress(RayError):
            for actor in self._actors.values():
                ray.kill(actor, no_restart=True)
        self._actors.clear()
        self._calls.clear()
        if self._is_ours:
            ray.shutdown()
            _let_print(allowed=True)

    def _connect(self) -> None:
        if ray.is_initialized():  # by whoever calls us
            return
        self._is_ours = True
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self._cluster.address == "local":
            options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        _let_print(allowed=False)
        try:
            _knock(self._cluster.address)
            with warnings.catch_warnings():  # Ray's own processes never touch Lance
                warnings.filterwarnings("ignore", message="lance is not fork-safe")
                ray.init(self._cluster.address, **options)
        except (OSError, RuntimeError, ValueError) as error:
            raise Unavailable(
                f"No Ray cluster answers at {self._cluster.address!r}: {_first_line(error)} Start "
                "one with `ray start --head`, or use --ray local.",
                address=self._cluster.address,
            ) from error

    def _check_room(self) -> None:
        """A Ray that was started here gets no more machines. Raises `InvalidInput`."""
        n_cpus, n_gpus = _resources()
        share = self._share
        if self._cluster.address == "local" and (share.cpus > n_cpus or share.gpus > n_gpus):
            raise InvalidInput(
                f"A worker with {share.cpus} CPUs and {share.gpus:g} GPUs has no room on this "
                f"machine, which has {n_cpus:.0f} CPUs and {n_gpus:.0f} GPUs."
            )

    def _start(self) -> None:
        name = next(self._names)
        actor = ray.remote(RayWorker).options(
            num_cpus=self._share.cpus,
            num_gpus=self._share.gpus,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=CALLS_AT_ONCE,
        )
        self._actors[name] = actor.remote(name, self._job, self._share.cpus)
        self._ask(name, "load")

    def _ask(self, worker: str, method: Asked, *arguments: Any) -> None:
        if worker in self._actors:
            call = getattr(self._actors[worker], method).remote(*arguments)
            self._calls[call] = Call(worker=worker, asks=method)

    def _registered(self, worker: str) -> bool:
        """Whether the worker could tell the lake of the dictionaries before it was lost."""
        try:
            failure = ray.get(self._actors[worker].register.remote())
        except RayActorError as error:
            self._broken(worker, _unstartable(_cause(error)))
            return False
        if failure is not None:
            raise failure.error or Unavailable(failure.reason)
        return True

    def _answered(self, answer: Any) -> News | None:
        call = self._calls.pop(answer)
        try:
            found = ray.get(answer)
        except RayError as error:
            return self._gone(call, _cause(error))
        if call.asks != "load":
            event: Event = found
            return event
        return self._loaded(call.worker, found)

    def _loaded(self, worker: str, found: Sequence[TableSettings] | Failure) -> News | None:
        if isinstance(found, Failure):
            self._broken(worker, found)
            return None
        if found != (self._settings or found):
            self._broken(worker, _unstartable(OTHER_FILES))
            return None
        self._n_broken = 0
        self._settings = found
        return Joined(worker=worker)

    def _gone(self, call: Call, cause: str) -> News | None:
        if call.worker not in self._actors:
            return None  # it is known already
        if call.asks == "load":
            self._broken(call.worker, _unstartable(cause))
            return None
        ray.kill(self._actors.pop(call.worker), no_restart=True)
        self._start()
        return Lost(worker=call.worker, reason=f"its worker died: {cause}")

    def _broken(self, worker: str, failure: Failure) -> None:
        """Take note that a worker could not load. Raises why, when no other can either."""
        actor = self._actors.pop(worker)
        ray.kill(actor, no_restart=True)
        self._n_broken += 1
        if failure.blame == "run" and self._settings is None:
            raise failure.error or Unavailable(failure.reason)
        if self._n_broken < LOADS:
            self._start()
        elif not self._actors:
            raise failure.error or Unavailable(failure.reason)


def _let_print(*, allowed: bool) -> None:
    """Whether Ray may tell of each lost worker on standard output, where only answers belong."""
    ray._private.worker._worker_logs_enabled = allowed


def _knock(address: str) -> None:
    """Raise an `OSError` where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        socket.create_connection((host, int(port)), timeout=KNOCK_S).close()


def _resources() -> tuple[float, float]:
    """The CPUs and GPUs of the whole cluster."""
    found = ray.cluster_resources()
    return found.get("CPU", 0.0), found.get("GPU", 0.0)


def _unstartable(cause: str) -> Failure:
    said = f"A worker could not be started on the Ray cluster: {cause}"
    return Failure(blame="place", reason=said, error=Unavailable(said))


def _cause(error: RayError) -> str:
    """What ended an actor, in a line: of errors that Python raised there, the last one."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1] if "creation task" in lines[0] else lines[0]


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
