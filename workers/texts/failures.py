"""Models that could not be loaded, which are not tried anew with every question."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar

from saelake.store.errors import SaelakeError

T = TypeVar("T")

RETRY_S = 60.0  # to look for a model that is not in reach takes half a minute


@dataclass(slots=True)
class Failures:
    """What was raised lately when something was loaded. Not thread-safe."""

    retry_s: float = RETRY_S
    _known: dict[Hashable, tuple[float, SaelakeError]] = field(default_factory=dict)

    def tried(self, what: Hashable, load: Callable[[], T]) -> T:
        """What `load` gives. Raises what it raises, and for a while after that without trying."""
        self._check(what)
        try:
            return load()
        except SaelakeError as error:
            self._known[what] = (time.monotonic() + self.retry_s, error)
            raise

    def _check(self, what: Hashable) -> None:
        again, error = self._known.get(what, (0.0, None))
        left = again - time.monotonic()
        if error is not None and left > 0:
            raise type(error)(
                f"{error.message} (That was found a while ago; it is tried anew in {left:.0f} s.)",
                **error.data,
            )
        self._known.pop(what, None)
