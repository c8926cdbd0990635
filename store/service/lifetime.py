"""The beginning and the end of a server: when it is ready, who may ask that, and how it stops."""

from dataclasses import dataclass

from saelake.store.errors import InvalidInput
from saelake.store.wire.address import Address

GRACE_S = 30.0  # for answers under way when the server stops


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """A server is ready when the models of the collections `preload` are loaded.

    At `health` only health is answered, and without TLS, for probes that speak none. When the
    server stops, it says so for `drain_delay_s` while it goes on answering, and answers under way
    then have `grace_s`.
    """

    preload: tuple[str, ...] = ()
    health: Address | None = None
    drain_delay_s: float = 0.0
    grace_s: float = GRACE_S

    def __post_init__(self) -> None:
        if not (self.drain_delay_s >= 0 and self.grace_s >= 0):
            raise InvalidInput("The delay and the grace of a server that stops are 0 s or more.")
