"""One call: by whom and of what it is, and how it ended."""

import re
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

REQUEST_ID = "x-request-id"  # in the metadata of a call and of its answer
SANE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
FAULTS = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})  # the server's own
_ID: ContextVar[str] = ContextVar("saelake-request-id", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a call ended: `began_ns` since 1970, `code` as gRPC names it, `metadata` of the caller.

    `details` is what a caller was told who was refused, and may name what is in the corpus. The
    `message` is what was asked, of a stream the first; None where it was not read. Without a
    `caller` it is not known who asked.
    """

    service: str
    method: str
    request_id: str
    caller: str | None
    peer: str
    message: object
    code: str
    details: str
    n_bytes: int
    began_ns: int
    seconds: float
    metadata: Mapping[str, str | bytes]

    @property
    def collection(self) -> str:
        """The collection that was asked of; empty where there is none."""
        named = getattr(self.message, "collection", "")
        return named if isinstance(named, str) else ""

    @property
    def is_fault(self) -> bool:
        """Whether the server failed, and not its caller."""
        return self.code in FAULTS


class Observer(Protocol):
    """Is told of each call. What it does must be short: it is done in the event loop."""

    def begins(self, method: str) -> None:
        """A call of this method begins."""

    def ends(self, call: Ended) -> None:
        """A call has ended."""

    def close(self) -> None:
        """There are no more calls."""


def request_id() -> str:
    """The id of the call that is being answered; empty where there is none."""
    return _ID.get()


def identify(metadata: Mapping[str, str | bytes]) -> str:
    """The id for a call, from here on that of what is answered: the caller's if it is sane."""
    given = metadata.get(REQUEST_ID, "")
    known = isinstance(given, str) and SANE.fullmatch(given)
    chosen = str(given) if known else secrets.token_hex(8)
    _ID.set(chosen)
    return chosen
