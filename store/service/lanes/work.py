"""A process that computes what a serving process asks, one answer at a time.

It is begun by `start.py`, and ends with its input.
"""

import os
import pickle
import traceback
from contextlib import suppress
from queue import SimpleQueue
from threading import Event, Thread
from typing import BinaryIO

from saelake.store.engine import Engine
from saelake.store.errors import SaelakeError
from saelake.store.requests.waited.progress import Progress, Teller, telling
from saelake.store.requests.waited.stopping import Stopped, look, stopping
from saelake.store.service.lanes import parcels
from saelake.store.service.lanes.asking import Asking
from saelake.store.service.lanes.parcels import ChildSettings, Kind, packed
from saelake.store.wire import frames


class Work:
    """Answers orders, until there is no input any more."""

    def __init__(self, orders: BinaryIO, answers: BinaryIO) -> None:
        self._orders, self._answers = orders, answers
        self._asked: SimpleQueue[tuple[Asking, bool]] = SimpleQueue()
        self._unwanted = Event()

    def run(self) -> None:
        """Answer; does not return."""
        _, contents = parcels.read(self._orders)
        engine = _engine(pickle.loads(contents))
        Thread(target=self._listen, name="saelake-orders", daemon=True).start()
        self._send(packed(Kind.READY))
        while True:
            self._send(self._answered(engine, *self._asked.get()))

    def _listen(self) -> None:
        """Take orders while the other thread computes, which nobody but the kernel can end."""
        try:
            while True:
                self._take(*parcels.read(self._orders))
        except EOFError:
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)  # or the other thread would wait for ever

    def _take(self, kind: Kind, contents: bytes) -> None:
        if kind is Kind.STOP:
            self._unwanted.set()
        else:
            asked = pickle.loads(contents)
            self._unwanted.clear()
            self._asked.put(asked)

    def _answered(self, engine: Engine, asked: Asking, tells: bool) -> bytes:
        """Send an answer but for its end, which is returned."""
        teller = Teller(self._tell) if tells else None
        try:
            with stopping(self._unwanted.is_set), telling(teller):
                return self._sent(engine, asked)
        except Stopped:
            return packed(Kind.STOPPED)
        except SaelakeError as error:
            return parcels.error_parcel(error)
        except Exception:
            return packed(Kind.DEFECT, traceback.format_exc().encode())

    def _sent(self, engine: Engine, asked: Asking) -> bytes:
        found = frames.frames(asked.answer(engine))
        frame = next(found)
        for following in found:
            look()
            self._send(packed(Kind.FRAME, frame))
            frame = following
        return packed(Kind.LAST, frame)

    def _tell(self, progress: Progress) -> None:
        self._send(parcels.progress_parcel(progress))

    def _send(self, parcel: bytes) -> None:
        self._answers.write(parcel)
        self._answers.flush()


def _engine(settings: ChildSettings) -> Engine:
    """The engine, with the libraries loaded that questions need."""
    engine = Engine(
        settings.uri,
        at=settings.at,
        texts=settings.texts,
        cache_bytes=settings.kept_bytes,
        disk_cache=settings.disk_cache,
    )
    with suppress(SaelakeError):
        engine.warm()
    return engine
