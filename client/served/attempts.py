"""What becomes of one question that may be asked several times: decided without a channel."""

import random
import time
from collections.abc import Sequence

from saelake.served.retries import Retries
from saelake.store.errors import SaelakeError


class Attempts:
    """How often a question was asked, what of its answer is out, and whether to ask again.

    An answer that streams is given out as it comes, and asked for again only before that; any
    other is kept until it is whole.
    """

    def __init__(self, retries: Retries, *, timeout_s: float | None, streams: bool) -> None:
        self._retries = retries
        self._ends_s = None if timeout_s is None else time.monotonic() + timeout_s
        self._streams = streams
        self._is_begun = False
        self._n_before = 0
        self._kept: list[bytes] = []

    @property
    def left_s(self) -> float | None:
        """How long the answer may yet take, retries and all; None: as long as it likes."""
        return None if self._ends_s is None else max(self._ends_s - time.monotonic(), 0.0)

    def came(self, frame: bytes) -> Sequence[bytes]:
        """What may be given out now that this frame came."""
        if self._streams:
            self._is_begun = True
            return (frame,)
        self._kept.append(frame)
        return ()

    def ended(self) -> Sequence[bytes]:
        """What may be given out now that the answer is whole."""
        return self._kept

    def went_on(self) -> None:
        """Something new came: what fails after it is counted anew."""
        self._n_before = 0

    def wait_after_s(self, error: SaelakeError) -> float | None:
        """How long to wait before asking again after an error; None: it is not asked again."""
        wait = self._retries.wait_s(error, self._n_before, self.left_s, random.random())
        if self._is_begun or "closed" in error.data:
            return None
        self._n_before += 1
        self._kept = []
        return wait
