"""Workers on a Ray cluster.

A worker is an actor that Ray never restarts: what becomes of its shards is for `schedule` to
decide. In place of one that dies another is asked for, which Ray starts when and where there is
room, so that workers follow machines that come and go.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from queue import SimpleQueue
from typing import Any, Literal

import ray
from ray.exceptions import RayActorError, RayError

from saelake.store.errors import SaelakeError, Unavailable
from saelake.store.growth.shards import TableSettings
from saelake.workers.encoder.shard import Shard
from saelake.workers.fleet.events import Event, Failed, Failure, Joined, Lost, Written
from saelake.workers.fleet.job import EncodeJob
from saelake.workers.fleet.pool import News, Paged
from saelake.workers.fleet.ray_cluster import RayCluster
from saelake.workers.fleet.worker import Worker
from saelake.workers.fleet.worker_thread import WorkerThread
from saelake.workers.ray.session import RaySession, cause

CALLS_AT_ONCE = 8  # of an actor, each of which waits in a thread
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

    def register(self) -> Sequence[str] | Failure:
        """Tell the lake of the dictionaries; what a user must be told of them."""
        try:
            self._worker.register()
        except Exception as error:
            return _sendable(Failure.of(error))
        return self._worker.notes

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
        self._names = (f"ray-{number}" for number in count())
        self._actors: dict[str, Any] = {}
        self._calls: dict[Any, Call] = {}
        self._early: Sequence[News] = ()
        self._settings: Sequence[TableSettings] | None = None
        self._notes: Sequence[str] = ()
        self._n_broken = 0
        self._session = RaySession(cluster)

    def open(self) -> Sequence[TableSettings]:
        """See `Pool`. Also raises `Unavailable` when there is no cluster, or no worker starts."""
        self._session.open()
        self._session.await_room()
        self._share = self._session.share
        device = self._share.device(self._job.options.device)
        self._job = replace(self._job, options=replace(self._job.options, device=device))
        for _ in range(self._share.workers):
            self._start()
        while True:
            joined = [news for news in self.news(timeout_s=1.0) if isinstance(news, Joined)]
            for place, news in enumerate(joined):
                if self._registered(news.worker):
                    self._early = joined[place:]
                    assert self._settings is not None
                    return self._settings

    @property
    def notes(self) -> Sequence[str]:
        """See `Pool`."""
        return self._notes

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
        self._session.close()

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
            found = ray.get(self._actors[worker].register.remote())
        except RayActorError as error:
            self._broken(worker, _unstartable(cause(error)))
            return False
        if isinstance(found, Failure):
            raise found.error or Unavailable(found.reason)
        self._notes = found
        return True

    def _answered(self, answer: Any) -> News | None:
        call = self._calls.pop(answer)
        try:
            found = ray.get(answer)
        except RayError as error:
            return self._gone(call, cause(error))
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

    def _gone(self, call: Call, reason: str) -> News | None:
        if call.worker not in self._actors:
            return None  # it is known already
        if call.asks == "load":
            self._broken(call.worker, _unstartable(reason))
            return None
        ray.kill(self._actors.pop(call.worker), no_restart=True)
        self._start()
        return Lost(worker=call.worker, reason=f"its worker died: {reason}")

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


def _unstartable(reason: str) -> Failure:
    said = f"A worker could not be started on the Ray cluster: {reason}"
    return Failure(blame="place", reason=said, error=Unavailable(said))
