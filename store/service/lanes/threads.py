"""The lane of short questions: threads of the serving process."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, suppress
from threading import Event

from saelake.store.engine import Engine
from saelake.store.requests.waited.progress import Progress, Teller, telling
from saelake.store.requests.waited.stopping import Stopped, stopping
from saelake.store.requests.waited.waiting import WouldWait
from saelake.store.service.lanes.asking import Asking
from saelake.store.service.lanes.news import News
from saelake.store.service.lanes.patience import Patience
from saelake.store.service.lanes.places import LanePlaces, LaneRoom
from saelake.store.service.lanes.quickness import Quickness
from saelake.store.wire import frames
from saelake.store.wire.progress import Part

Step = tuple[bytes, bool]  # a frame, and whether it is the last


class ThreadLane:
    """Answers in threads of this process, of which one caller has at most a share.

    What takes no time, as the last of its kind did, is answered at once, where it came: two threads
    take longer to hand Python's lock over than it takes to look into memory.

    A thread whose answer nobody waits for is free when it looks next (see `waited.stopping`), and
    counts as its caller's until then.
    """

    def __init__(self, engine: Engine, n_threads: int, caller_share: float) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(n_threads, thread_name_prefix="saelake-answer")
        room = LaneRoom(
            places=n_threads,
            waiting=sys.maxsize,  # they have places among the answers, which are bounded
            wait_s=None,
            caller_share=caller_share,
            what="threads",
        )
        self._places = LanePlaces(room)
        self._patience = Patience()
        self._quickness = Quickness()

    async def answer(
        self,
        asked: Callable[[], Asking],
        caller: str,
        *,
        tells: bool = False,
        kind: Hashable | None = None,
    ) -> AsyncGenerator[Part, None]:
        """See `Lane`."""
        steps, step = self._begun(asked, None if tells else kind)
        if step is not None:
            yield step[0]
        if step is None or not step[1]:
            async with aclosing(self._rest(steps, caller, tells=tells)) as parts:
                async for part in parts:
                    yield part

    async def _rest(
        self, steps: Iterator[Step], caller: str, *, tells: bool
    ) -> AsyncGenerator[Part, None]:
        """The frames that threads make."""
        unwanted, news = Event(), News() if tells else None
        if news is not None:
            steps = _telling(steps, Teller(news.tell))
        try:
            last = False
            while not last:
                step = self._step(steps, caller, unwanted)
                if news is None:
                    frame, last = await step
                    yield frame
                    continue
                async with aclosing(news.beside(step)) as parts:
                    async for part in parts:
                        if isinstance(part, Progress):
                            yield part
                        else:
                            frame, last = part
                            yield frame
        finally:
            unwanted.set()
            del steps  # an error keeps this frame until the next collection, but no answer

    def _begun(
        self, asked: Callable[[], Asking], kind: Hashable | None
    ) -> tuple[Iterator[Step], Step | None]:
        """The frames that are left, and before them the first, if that takes no time."""
        steps = _steps(asked, self._engine)
        if kind is None:
            return steps, None
        if not self._quickness.has(kind):
            return self._measured(steps, kind), None
        try:
            with self._quickness.measuring(kind, may_wait=False):
                return steps, next(steps)
        except WouldWait:
            return _steps(asked, self._engine), None

    def _measured(self, steps: Iterator[Step], kind: Hashable) -> Iterator[Step]:
        """The frames; how long the first takes says what is done with the next question."""
        with self._quickness.measuring(kind, may_wait=True):
            first = next(steps)
        yield first
        yield from steps

    @property
    def is_computing(self) -> bool:
        """Whether a thread is at work, also for a caller who has left."""
        return self._places.n_taken > 0

    def prepare(self) -> None:
        """Nothing: threads start at once."""

    async def close(self) -> None:
        """End; answers that are under way end after their next frame."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _step(self, steps: Iterator[Step], caller: str, unwanted: Event) -> Step:
        since = await self._places.take(caller)
        loop = asyncio.get_running_loop()
        made: asyncio.Future[Step] = loop.create_future()

        def tell(done: "Future[Step]") -> None:
            with suppress(RuntimeError):  # of a loop that has ended
                loop.call_soon_threadsafe(ended, done)

        def ended(done: "Future[Step]") -> None:
            self._places.give(caller, since)
            if not made.done():
                _settle(made, done)

        try:
            working = self._pool.submit(_step, steps, unwanted)
        except BaseException:
            self._places.give(caller, since)
            raise
        del steps  # as in `answer`
        if self._patience.awaits(working):
            self._places.give(caller, since)
            return working.result()
        working.add_done_callback(tell)
        try:
            return await made
        except asyncio.CancelledError:
            working.cancel()  # where it has not begun
            raise


def _settle(made: "asyncio.Future[Step]", done: "Future[Step]") -> None:
    if done.cancelled():
        made.cancel()
    elif error := done.exception():
        made.set_exception(error)
    else:
        made.set_result(done.result())


def _step(steps: Iterator[Step], unwanted: Event) -> Step:
    """The next frame. Raises `CancelledError` where nobody waits for it."""
    with stopping(unwanted.is_set):
        try:
            return next(steps)
        except Stopped:
            raise asyncio.CancelledError from None


def _telling(steps: Iterator[Step], teller: Teller) -> Iterator[Step]:
    """Steps whose work tells how far it is, in whichever thread each is made."""
    while True:
        with telling(teller):
            step = next(steps)
        yield step


def _steps(asked: Callable[[], Asking], engine: Engine) -> Iterator[Step]:
    """The frames of an answer, each with whether it is the last.

    The one after it is looked for first, so that small answers need one visit to a thread.
    """
    found = frames.frames(asked().answer(engine))
    frame = next(found)
    for following in found:
        yield frame, False
        frame = following
    yield frame, True
