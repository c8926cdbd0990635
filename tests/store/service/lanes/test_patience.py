"""An event loop sleeps for short work, and seldom in vain."""

from concurrent.futures import Future
from typing import Any

from saelake.store.service.lanes.patience import IN_VAIN, Patience


class Asked(Future[Any]):
    """Work that knows how often somebody slept for it."""

    n_sleeps = 0

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self.n_sleeps += 1
        return super().exception(timeout)


def test_what_is_done_is_awaited() -> None:
    done, failed = Asked(), Asked()
    done.set_result(3)
    failed.set_exception(TimeoutError("of the work itself"))
    patience = Patience()
    assert patience.awaits(done)
    assert patience.awaits(failed)


def test_there_is_no_sleep_once_many_were_in_vain() -> None:
    work, patience = Asked(), Patience()
    assert not any(patience.awaits(work) for _ in range(3 * IN_VAIN))
    assert IN_VAIN <= work.n_sleeps < 2 * IN_VAIN
    work.set_result(None)
    assert patience.awaits(work), "without a sleep"
    assert work.n_sleeps < 2 * IN_VAIN
