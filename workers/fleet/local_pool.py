"""The worker of a run in this process: one model, in a thread."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue

from saelake.store.growth.shards import TableSettings
from saelake.workers.encoder.shard import Shard
from saelake.workers.fleet.events import Joined
from saelake.workers.fleet.job import EncodeJob
from saelake.workers.fleet.pool import News
from saelake.workers.fleet.worker import Worker
from saelake.workers.fleet.worker_thread import WorkerThread


class LocalPool:
    """One worker, in this process; see `Pool`."""

    def __init__(self, job: EncodeJob) -> None:
        self._job = job
        self._news: SimpleQueue[News] = SimpleQueue()
        self._threads: dict[str, WorkerThread] = {}
        self._names = (f"local-{number}" for number in count())

    def open(self) -> Sequence[TableSettings]:
        """See `Pool`."""
        self._worker = Worker.load(self._job)
        self._worker.register()
        self._begin()
        return self._worker.settings

    @property
    def notes(self) -> Sequence[str]:
        """See `Pool`."""
        return self._worker.notes

    def send(self, worker: str, shard: Shard) -> None:
        """See `Pool`."""
        self._threads[worker].send(shard)

    def drop(self, worker: str) -> None:
        """Begin again with nothing under way; the model stays."""
        self._threads.pop(worker).close()
        self._begin()

    def news(self, timeout_s: float) -> Sequence[News]:
        """See `Pool`; one at a time, so that each is acted on before the next."""
        with suppress(Empty):
            return [self._news.get(timeout=timeout_s)]
        return []

    def close(self) -> None:
        """See `Pool`."""
        for thread in self._threads.values():
            thread.close()

    def _begin(self) -> None:
        thread = WorkerThread(next(self._names), self._worker, self._news.put)
        self._threads[thread.name] = thread
        self._news.put(Joined(worker=thread.name))
