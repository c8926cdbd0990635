"""What can befall a request, and when that ends a run."""

import re
from dataclasses import dataclass
from enum import StrEnum

from saelake.language.settings import LanguageSettings
from saelake.store.errors import (
    AccessDenied,
    DeadlineExceeded,
    InvalidInput,
    LimitExceeded,
    NotFound,
    SaelakeError,
    Unavailable,
)

LONGEST_SAID = 300  # characters of what a server said


class FaultKind(StrEnum):
    """How the last attempt failed."""

    CONNECTION = "no connection, or one that broke"
    TIMEOUT = "no answer in time"
    GARBAGE = "an answer that is none of a language model"
    STATUS = "an HTTP status that says so"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFault:
    """That the last attempt failed, and what the server said of it; `code` is OpenAI's."""

    kind: FaultKind
    status: int | None = None
    code: str | None = None
    said: str = ""

    @property
    def reason(self) -> str:
        """In one line."""
        status = f"HTTP {self.status}" if self.status is not None else self.kind.value
        said = shortened(self.said)
        return f"{status}: {said}" if said else status

    @property
    def is_final(self) -> bool:
        """Whether every other request would fail likewise: the key, the model, or the account."""
        spent = self.code in ("insufficient_quota", "billing_hard_limit_reached")
        return spent or self.status in (401, 402, 404) or 300 <= (self.status or 0) < 400

    @property
    def is_of_server(self) -> bool:
        """Whether the server is not there, or lets nobody in."""
        return self.kind is FaultKind.CONNECTION or self.status == 403


def shortened(said: str) -> str:
    """What a server said, in one line that is no longer than 300 characters and prints."""
    printable = "".join(c if c.isprintable() else " " for c in said[: 4 * LONGEST_SAID])
    line = re.sub(" +", " ", printable).strip()
    return line if len(line) <= LONGEST_SAID else f"{line[:LONGEST_SAID]}…"


class Endurance:
    """How many prompts failed one after the other, and whether to go on."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._n_failed = 0
        self._was_answered = False

    def answered(self) -> None:
        """Note an answer: the server is there, and takes the key."""
        self._n_failed, self._was_answered = 0, True

    def ends(self, fault: RequestFault) -> bool:
        """Note a failed prompt; whether nothing more is to be asked."""
        self._n_failed += 1
        at_once = fault.is_final or (fault.is_of_server and not self._was_answered)
        return at_once or self._n_failed >= self._most


def error_of(fault: RequestFault, settings: LanguageSettings) -> SaelakeError:
    """The failure of a request as an error with its remedy."""
    at, model = settings.base_url, settings.model
    data = {"server": at, "model": model}
    if fault.status in (401, 403):
        who = "no key" if settings.key is None else "the key"
        return AccessDenied(f"{at} refuses {who} ({fault.reason}). Give it a right one.", **data)
    if fault.status == 404:
        return NotFound(
            f"{at} has no model {model!r}, or is no address of an OpenAI-compatible server "
            f"({fault.reason}). Such an address often ends with /v1.",
            **data,
        )
    if fault.is_final and fault.status not in (402, 429):
        return InvalidInput(f"{at} is elsewhere ({fault.reason}): give that address.", **data)
    if fault.status in (402, 429):
        return LimitExceeded(
            f"{at} answers no more for now ({fault.reason}). Wait, ask fewer at once, or see to "
            "the account.",
            **data,
        )
    if fault.kind is FaultKind.TIMEOUT:
        return DeadlineExceeded(
            f"{at} gave no answer within {settings.timeout_s:g} s. Give it longer, or ask fewer at "
            "once.",
            **data,
        )
    if fault.kind is FaultKind.CONNECTION:
        return Unavailable(f"{at} does not answer ({fault.reason}). Is it running?", **data)
    return Unavailable(f"{at} failed ({fault.reason}).", **data)
