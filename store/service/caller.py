"""Who asks, for as long as a call is answered."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from saelake.store.requests.request import Right


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the name that places, limits and logs go by, and what he may do.

    A right includes those before it in `Right`; None is none. `corpora` None is all.
    """

    name: str = "anyone"
    right: Right | None = "read"
    corpora: frozenset[str] | None = None


ANYONE = Caller(right="admin")  # who need not say: he may do what the server does at all
UNKNOWN = Caller(name="", right=None, corpora=frozenset())  # who has not said yet, or wrongly
_CALLER: ContextVar[Caller] = ContextVar("saelake-caller", default=ANYONE)


def caller() -> Caller:
    """Who asks what is being answered; threads of an executor are not told."""
    return _CALLER.get()


def asker_of(context: Any) -> str:
    """Who asks, as places and rates go by it: his name, or his machine where he need not say."""
    known = caller()
    return machine_of(context) if known is ANYONE else known.name


def machine_of(context: Any) -> str:
    """The machine that calls: its address without a port."""
    peer: str = context.peer()
    return peer.rpartition(":")[0] or peer


def set_caller(known: Caller) -> None:
    """Say who asks, for the rest of the call that this is said in."""
    _CALLER.set(known)
