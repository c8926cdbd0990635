"""An inbox: items that come in while others are worked on."""

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Items in the order in which they are put; iterating waits for the next one."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._changed = Condition()
        self._interrupted = self._closed = False

    def put(self, item: T) -> None:
        """Add an item."""
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def interrupt(self) -> None:
        """End the iteration that is under way; another one may begin."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def close(self) -> None:
        """End this and every later iteration."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        with self._changed:
            self._interrupted = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._interrupted or self._closed)
                if self._interrupted or self._closed:
                    return
                item = self._items.popleft()
            yield item
