"""When a question is asked again, and how soon: decided purely."""

from dataclasses import dataclass

from saelake.store.errors import InvalidInput, LimitExceeded, SaelakeError, Unavailable
from saelake.store.wire.errors import RETRY_AFTER

MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often a question is asked again that a server did not answer, and when.

    Questions only read, so that asking again is safe. The wait before the nth time is drawn from
    up to `first_s` * 2^(n - 1) seconds, at most `longest_s`: from all of it, so that many clients
    of one server that ended do not come back at once. A server that says when is heeded.
    """

    most: int = 4
    first_s: float = 0.2
    longest_s: float = 5.0

    def __post_init__(self) -> None:
        if isinstance(self.most, bool) or not 0 <= self.most <= MOST:
            raise InvalidInput(f"retries are 0 to {MOST}, not {self.most!r}.")

    def wait_s(
        self, error: SaelakeError, n_before: int, left_s: float | None, drawn: float
    ) -> float | None:
        """How long to wait before asking again; None: not at all.

        It was asked again `n_before` times, and `left_s` are left for the answer. `drawn` is a
        random number in [0, 1).
        """
        said = _said(error)
        if n_before >= self.most or not _is_passing(error, said):
            return None
        most_s = min(self.first_s * 2.0**n_before, self.longest_s)
        wait = most_s * drawn if said is None else said + self.first_s * drawn
        return None if left_s is not None and wait >= left_s else wait


def _is_passing(error: SaelakeError, said: float | None) -> bool:
    """Whether the same question may be answered in a moment."""
    return isinstance(error, Unavailable) or (isinstance(error, LimitExceeded) and said is not None)


def _said(error: SaelakeError) -> float | None:
    try:
        return max(float(error.data[RETRY_AFTER]), 0.0)
    except (KeyError, ValueError):
        return None
