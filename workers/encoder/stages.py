"""Stages that overlap: an iterator that runs ahead in a thread of its own."""

from collections.abc import Callable, Generator, Iterable
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.1


class _End:
    """What the thread puts last: the iterator is exhausted, or failed with `error`."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def nothing() -> None:
    """Need not be told of the end."""


def ahead(
    items: Iterable[T], *, depth: int, interrupt: Callable[[], object] = nothing
) -> Generator[T]:
    """The items of an iterable, of which up to `depth` are made before they are asked for.

    An error of the iterable is raised where its item would have been. When the result is closed,
    or its consumer fails, the thread ends after the item it is making; `interrupt` is called
    then, and must end the wait of an iterable that waits for others.
    """
    queue: Queue[T | _End] = Queue(depth)
    stopped = Event()
    thread = Thread(target=_fill, args=(items, queue, stopped), daemon=True)
    thread.start()
    try:
        while True:
            item = queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stopped.set()
        interrupt()
        while thread.is_alive():
            try:
                queue.get(timeout=POLL_S)
            except Empty:
                continue
        thread.join()


def _fill(items: Iterable[T], queue: "Queue[T | _End]", stopped: Event) -> None:
    iterator = iter(items)
    error: BaseException | None = None
    try:
        for item in iterator:
            if not _put(queue, item, stopped):
                break
    except BaseException as caught:  # it is raised again where the items are consumed
        error = caught
    if isinstance(iterator, Generator):
        iterator.close()  # so that the stages before it stop as well
    _put(queue, _End(error), stopped)


def _put(queue: "Queue[T | _End]", item: T | _End, stopped: Event) -> bool:
    """Whether the item was put before the consumer stopped."""
    while not stopped.is_set():
        try:
            queue.put(item, timeout=POLL_S)
        except Full:
            continue
        return True
    return False
