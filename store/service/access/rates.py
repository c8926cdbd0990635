"""How often each caller may call: by buckets that fill with time, and of which a call takes one."""

import math
import time
from dataclasses import dataclass

from saelake.store.errors import LimitExceeded
from saelake.store.service.limits import Limits

MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """So many calls that are left, and when."""

    calls: float
    at: float

    def filled(self, now: float, limits: Limits) -> "Bucket":
        """It as it is later."""
        gained = max(now - self.at, 0.0) * limits.calls_per_s
        return Bucket(calls=min(self.calls + gained, float(limits.burst_calls)), at=now)

    def wait_s(self, limits: Limits) -> float:
        """How long until a call is left, in whole ms; 0 where one is."""
        return math.ceil(max(1.0 - self.calls, 0.0) / limits.calls_per_s * 1000) / 1000


class Rates:
    """The buckets of those who called lately."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buckets: dict[str, Bucket] = {}

    def take(self, name: str, now: float | None = None) -> None:
        """Take a call of a caller's. Raises `LimitExceeded`, with when there is one again."""
        now = time.monotonic() if now is None else now
        full = Bucket(calls=float(self._limits.burst_calls), at=now)
        bucket = self._buckets.get(name, full).filled(now, self._limits)
        wait_s = bucket.wait_s(self._limits)
        if wait_s > 0:
            raise LimitExceeded(
                f"{name} called more than {self._limits.calls_per_s:g} times a second. Ask again "
                f"in {wait_s:.2g} s.",
                retry_after_s=wait_s,
            )
        self._buckets[name] = Bucket(calls=bucket.calls - 1, at=now)
        if len(self._buckets) > MOST_BUCKETS:
            self._forget(now)

    def _forget(self, now: float) -> None:
        """Forget who has rested, and where nobody has, who called first."""
        known = self._buckets.items()
        full = float(self._limits.burst_calls)
        busy = {n: b for n, b in known if b.filled(now, self._limits).calls < full}
        latest = sorted(busy.items(), key=lambda item: item[1].at)[-MOST_BUCKETS // 2 :]
        self._buckets = dict(latest)
