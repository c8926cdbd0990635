"""Questions on a Ray cluster: actors that own pieces, each with memory for what it makes of them.

This process asks, decides and merges; see `store.codes.executor.Owners`. A piece carries the
snapshot that it is of, so it is the same wherever it is worked on, and may be again elsewhere.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from queue import SimpleQueue
from threading import Condition, Thread
from typing import Any, Self, TypeVar

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from saelake.store.codes.executor import PiecePart, Placed
from saelake.store.errors import InvalidInput, Unavailable
from saelake.workers.fleet.ray_cluster import RayCluster
from saelake.workers.ray.owner import Owner, Sent, Task
from saelake.workers.ray.placing import asked_of, owners_of
from saelake.workers.ray.session import RaySession, cause

T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K", bound=PiecePart)
P = TypeVar("P", bound=Placed)

DEFAULT_OWNER_BYTES = 1 << 30
REPLICAS = 2  # owners of a piece
ATTEMPTS = 4  # at a piece whose owner dies
QUEUED = 2  # calls under way for each CPU of an owner: one of them waits
STARTS = 3  # in a row that may fail
PATIENCE_S = 120.0  # for an owner, while there is none
KNOWN_ITEMS = 16  # lists of pieces that stay in Ray's memory
LOOK_S = 5.0  # between looks for machines that came or went


@dataclass(slots=True, kw_only=True)
class _Errand:
    """A piece that an owner was asked for."""

    task: Sent
    items: Sent | None
    item: Any
    place: Hashable | None
    owner: int = -1
    actor: Any = None
    attempts: int = 0
    reference: Any = None
    future: "Future[Any] | None" = None


class RayOwners:
    """Actors on a cluster, as many as it has room for or as were asked for.

    In place of one that dies another is asked for, which owns the same pieces. Thread-safe. To be
    opened before use, and closed.
    """

    def __init__(
        self,
        cluster: RayCluster,
        memory_bytes: int = DEFAULT_OWNER_BYTES,
        replicas: int = REPLICAS,
    ) -> None:
        """Each actor keeps up to `memory_bytes`. Raises `InvalidInput`."""
        if memory_bytes < 0:
            raise InvalidInput(f"An owner cannot have {memory_bytes} bytes of memory.")
        self._cluster = replace(cluster, gpus_per_worker=0)
        self._session = RaySession(self._cluster)
        self._memory_bytes, self._replicas = memory_bytes, replicas
        self._actors: dict[int, Any] = {}  # also those that are not ready yet
        self._calls: dict[int, int] = {}  # under way, of those that are ready
        self._items: OrderedDict[int, tuple[Sequence[Any], Sent]] = OrderedDict()
        self._changed = Condition()
        # Ray calls back in a thread that its other calls wait for: there no lock may be waited for.
        self._news: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._listener = Thread(target=self._listen, name="saelake-owners", daemon=True)
        self._numbers = count()
        self._n_failed = 0
        self._looked = 0.0
        self._is_closed = False
        self._problem = ""

    def open(self) -> Self:
        """Connect, and wait for the first actor.

        Raises `Unavailable` when there is no cluster or no actor starts, and `InvalidInput` where
        there is no room for one.
        """
        self._session.open()
        self._listener.start()
        try:
            self._session.await_room()
            self._look()
            with self._changed:
                self._wait_for(lambda: bool(self._calls))
        except BaseException:
            self.close()
            raise
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the actors, and disconnect.

        No thread of ours lets go of anything of Ray's meanwhile: that would end this process.
        """
        with self._changed:
            if self._is_closed:
                return
            self._is_closed = True
            actors = list(self._actors.values())
            self._actors.clear()
            self._calls.clear()
            self._items.clear()
            self._changed.notify_all()
        for actor in actors:
            ray.kill(actor, no_restart=True)
        self._news.put(None)
        if self._listener.ident is not None:
            self._listener.join()
        self._session.close()

    @property
    def n_ready(self) -> int:
        """How many actors can be asked now."""
        return len(self._calls)

    def map(self, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """See `Executor`. Raises what `work` raises, and `Unavailable` when owners die of it."""
        return self._map(Task(work), items)

    def map_parts(
        self,
        make: Callable[[P], Iterable[K]],
        work: Callable[[K], R],
        items: Sequence[P],
        merge: Callable[[R, R], R] | None = None,
        /,
    ) -> Iterator[list[R]]:
        """See `Owners`. Raises as `map` does."""
        return self._map(Task(work, make, merge), items)

    def _map(self, task: Task, items: Iterable[Any]) -> Iterator[Any]:
        self._look()
        sent = self._put(task)
        listed = self._sent_items(items) if isinstance(items, Sequence) else None
        running: deque[_Errand] = deque()
        try:
            for number, item in enumerate(items):
                while len(running) >= self._n_at_once:
                    yield self._result(running.popleft())
                place = getattr(item, "place", None)
                given = item if listed is None else number
                call = _Errand(task=sent, items=listed, item=given, place=place)
                running.append(self._send(call))
            while running:
                yield self._result(running.popleft())
        finally:
            for call in running:  # the caller stopped, or a piece failed
                ray.cancel(call.reference)  # which what was begun does not hear

    def _put(self, value: Any) -> Sent:
        return Sent.of(str(next(self._numbers)), value)

    def _sent_items(self, items: Sequence[Any]) -> Sent:
        """The items, which are sent once where questions have the same list of them."""
        with self._changed:
            known = self._items.get(id(items))
            if known is not None:
                self._items.move_to_end(id(items))
                return known[1]
        sent = self._put(items)
        with self._changed:
            self._items[id(items)] = items, sent  # whose id is no other's while it is here
            while len(self._items) > KNOWN_ITEMS:
                self._items.popitem(last=False)
        return sent

    @property
    def _most(self) -> int:
        """How many calls an owner has under way."""
        return QUEUED * self._share.cpus

    @property
    def _n_at_once(self) -> int:
        """How many pieces of a map are under way, or wait to be merged."""
        return max(self._most * self.n_ready, 1)

    def _send(self, call: _Errand) -> _Errand:
        """Ask an owner of the piece, as soon as one of them has room for a call."""
        with self._changed:
            call.owner = self._wait_for(lambda: self._chosen(call.place))
            self._calls[call.owner] += 1
            call.actor = actor = self._actors[call.owner]
            call.attempts += 1
            try:
                call.reference = actor.done.remote(call.task, call.items, call.item)
            except BaseException:
                self._calls[call.owner] -= 1
                raise
        call.future = call.reference.future()
        self._tell(call.future, partial(self._ended, call.owner, actor))
        return call

    def _chosen(self, place: Hashable | None) -> int | None:
        """Who is asked now, if anyone has room."""
        ready = sorted(self._calls)
        if not ready:
            return None
        owners = ready if place is None else owners_of(place, ready, self._replicas)
        n_idle = 1 if place is None else self._share.cpus
        chosen = asked_of(owners, self._calls, n_idle, self._most)
        return None if chosen < 0 else chosen

    def _ended(self, owner: int, actor: Any, _: "Future[Any]") -> None:
        with self._changed:
            if self._actors.get(owner) is actor and owner in self._calls:
                self._calls[owner] -= 1
            self._changed.notify_all()

    def _wait_for(self, found: Callable[[], Any]) -> Any:
        """What is found, once it is. Raises `Unavailable` where there is no owner for long."""
        patience = time.monotonic() + PATIENCE_S
        while (value := found()) is None or value is False:
            if self._is_closed:
                raise Unavailable("The connection to the Ray cluster was closed.")
            if self._calls:
                patience = time.monotonic() + PATIENCE_S
            elif self._n_failed >= STARTS or time.monotonic() > patience:
                self._n_failed = 0
                problem = self._problem or (
                    f"no machine has {self._share.cpus} CPUs that nobody else has taken. Give "
                    "--workers and --cpus-per-worker less."
                )
                raise Unavailable(f"No worker starts on the Ray cluster: {problem}")
            self._changed.wait(1.0)
        return value

    def _result(self, call: _Errand) -> Any:
        """What an owner answered; if it dies, another is asked."""
        while True:
            assert call.future is not None
            try:
                return call.future.result()
            except RayTaskError as error:
                if not isinstance(error.cause, RayError):
                    raise error.cause from None
                lost: RayError = error.cause
            except RayError as error:
                lost = error
                if isinstance(error, RayActorError):
                    self._lost(call.owner, call.actor)
            if call.attempts >= ATTEMPTS:
                raise Unavailable(
                    f"A piece of work was tried {ATTEMPTS} times on the Ray cluster, and its actor "
                    f"died each time: {cause(lost)}",
                ) from lost
            self._send(call)

    def _tell(self, answer: "Future[Any]", listener: "Callable[[Future[Any]], None]") -> None:
        """Have a listener hear of an answer, in the thread that is for that."""
        answer.add_done_callback(lambda done: self._news.put(partial(listener, done)))

    def _listen(self) -> None:
        while (news := self._news.get()) is not None:
            news()

    # -- Actors that come and go.

    def _look(self) -> None:
        """Have as many actors as the cluster has room for now; at most every few seconds."""
        now = time.monotonic()
        with self._changed:
            if self._is_closed:
                raise Unavailable("The connection to the Ray cluster was closed.")
            if self._looked and now - self._looked < LOOK_S:
                return
            self._looked = now
        share = self._session.share  # which asks the cluster
        with self._changed:
            self._share = share
            if self._is_closed:
                return
            waiting = sorted(set(self._actors) - set(self._calls), reverse=True)
            for owner in waiting[: max(len(self._actors) - self._share.workers, 0)]:
                self._end(owner)
            free = (number for number in count() if number not in self._actors)
            while len(self._actors) < self._share.workers:
                self._start(next(free))

    def _start(self, owner: int) -> None:
        actor = ray.remote(Owner).options(
            num_cpus=self._share.cpus,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=self._share.cpus + 1,  # of which one answers that it is there
            scheduling_strategy="SPREAD",
        )
        self._actors[owner] = made = actor.remote(self._memory_bytes)
        self._tell(made.ready.remote().future(), partial(self._started, owner, made))

    def _started(self, owner: int, actor: Any, answer: "Future[Any]") -> None:
        with self._changed:
            if self._actors.get(owner) is not actor:
                return
            problem = answer.exception()
            if problem is None:
                self._n_failed = 0
                self._calls[owner] = 0
            else:
                self._n_failed += 1
                self._problem = cause(problem) if isinstance(problem, RayError) else str(problem)
                self._end(owner)
                self._looked = min(self._looked, time.monotonic() - LOOK_S + 1.0)
            self._changed.notify_all()

    def _lost(self, owner: int, actor: Any) -> None:
        """An actor died: another is to own its pieces."""
        with self._changed:
            if self._actors.get(owner) is not actor:  # which is known
                return
            self._end(owner)
            self._start(owner)
            self._changed.notify_all()

    def _end(self, owner: int) -> None:
        self._calls.pop(owner, None)
        ray.kill(self._actors.pop(owner), no_restart=True)
