"""A worker in a thread: shards go in while others are under way, and news come out."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Event, Thread

from saelake.workers.encoder.shard import Shard
from saelake.workers.fleet.encoded import Counts
from saelake.workers.fleet.events import Failed, Failure, Written
from saelake.workers.fleet.inbox import Inbox
from saelake.workers.fleet.pool import News, Paged
from saelake.workers.fleet.worker import Worker


class WorkerThread:
    """Encodes shards in the order in which they are sent, and tells of each what became of it."""

    def __init__(self, name: str, worker: Worker, tell: Callable[[News], object]) -> None:
        self.name = name
        self._worker = worker
        self._tell = tell
        self._inbox: Inbox[Shard] = Inbox()
        self._unfinished: deque[Shard] = deque()
        self._closed = Event()
        self._thread = Thread(target=self._work, name=f"saelake-{name}", daemon=True)
        self._thread.start()

    def send(self, shard: Shard) -> None:
        """Have a shard encoded, after those that were sent before."""
        self._inbox.put(shard)

    def close(self) -> None:
        """End the thread after the page that it is at."""
        self._closed.set()
        self._inbox.close()
        self._thread.join()

    def _shards(self) -> Iterator[Shard]:
        """Those that an error left behind, then what comes in."""
        yield from tuple(self._unfinished)
        for shard in self._inbox:
            self._unfinished.append(shard)
            yield shard

    def _work(self) -> None:
        while not self._closed.is_set():
            try:
                self._encode()
            except (
                BaseException
            ) as error:  # also a library's panic; of the first shard that is not finished
                shard = self._unfinished.popleft()
                self._tell(Failed(worker=self.name, shard=shard, failure=Failure.of(error)))

    def _encode(self) -> None:
        with closing(
            self._worker.encode(self._shards(), interrupt=self._inbox.interrupt)
        ) as encoding:
            for encoded in encoding:
                if self._closed.is_set():
                    return
                if isinstance(encoded, Counts):
                    self._tell(Paged(worker=self.name, counts=encoded))
                    continue
                self._unfinished.popleft()
                self._tell(Written(worker=self.name, encoded=encoded))
