"""Who asks, for as long as a call is answered."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the name that places, limits and logs go by."""

    name: str = "anyone"


ANYONE = Caller()
_CALLER: ContextVar[Caller] = ContextVar("saelake-caller", default=ANYONE)


def caller() -> Caller:
    """Who asks what is being answered."""
    return _CALLER.get()


def set_caller(known: Caller) -> None:
    """Say who asks, for the rest of the call that this is said in."""
    _CALLER.set(known)
