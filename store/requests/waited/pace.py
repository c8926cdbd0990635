"""What of progress is sent on, so that it is a few messages a second: decided purely."""

from collections.abc import Sequence

from saelake.store.requests.waited.progress import EVERY_S, Progress


class Pace:
    """Holds back what was told until it is due: the newest, and the end of what was sent before.

    So a stage that was sent is sent to its end, also where others have begun meanwhile. Times are
    seconds of any clock that goes forward.
    """

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._held: dict[int, Progress] = {}  # by step
        self._sent: set[int] = set()
        self._due_s = float("-inf")

    def hold(self, progress: Progress) -> None:
        """Take what was told; of other steps only what was sent before is held on."""
        self._held = {step: held for step, held in self._held.items() if step in self._sent}
        self._held[progress.step] = progress

    def wait_s(self, now_s: float) -> float | None:
        """How long until what is held is to be sent; None where nothing is held."""
        return max(self._due_s - now_s, 0.0) if self._held else None

    def taken(self, now_s: float) -> Sequence[Progress]:
        """What is held, to be sent now; oldest steps first."""
        found = [self._held[step] for step in sorted(self._held)]
        self._held.clear()
        self._sent = {each.step for each in found}
        self._due_s = now_s + self._every_s
        return found
