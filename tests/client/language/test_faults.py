"""What ends a run, and what does not."""

import pytest

from saelake.language.faults import Endurance, FaultKind, RequestFault, error_of, shortened
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


def status(number: int, code: str | None = None) -> RequestFault:
    return RequestFault(kind=FaultKind.STATUS, status=number, code=code, said="because")


GONE = RequestFault(kind=FaultKind.CONNECTION)
SLOW = RequestFault(kind=FaultKind.TIMEOUT)
QUOTA = status(429, "insufficient_quota")


@pytest.mark.parametrize("fault", [status(401), status(402), status(404), status(307), QUOTA])
def test_what_every_request_would_meet_ends_at_once(fault: RequestFault) -> None:
    endurance = Endurance(100)
    endurance.answered()
    assert endurance.ends(fault)


@pytest.mark.parametrize("fault", [GONE, status(403)])
def test_a_server_that_never_answered_is_given_up_at_once(fault: RequestFault) -> None:
    assert Endurance(100).ends(fault)
    later = Endurance(3)
    later.answered()
    assert [later.ends(fault) for _ in range(3)] == [False, False, True]


def test_only_failures_in_a_row_end_a_run() -> None:
    endurance = Endurance(2)
    for _ in range(10):
        assert not endurance.ends(SLOW)
        endurance.answered()
    assert [endurance.ends(SLOW), endurance.ends(status(500))] == [False, True]


@pytest.mark.parametrize(
    ("fault", "kind", "remedy"),
    [
        (status(401), AccessDenied, "Give it a right one"),
        (status(403), AccessDenied, "Give it a right one"),
        (status(404), NotFound, "often ends with /v1"),
        (status(307), InvalidInput, "give that address"),
        (status(402), LimitExceeded, "see to the account"),
        (status(429), LimitExceeded, "ask fewer at once"),
        (SLOW, DeadlineExceeded, "Give it longer"),
        (GONE, Unavailable, "Is it running"),
        (status(500), Unavailable, "HTTP 500: because"),
        (RequestFault(kind=FaultKind.GARBAGE), Unavailable, "none of a language model"),
    ],
)
def test_an_error_has_its_remedy(
    fault: RequestFault, kind: type[SaelakeError], remedy: str
) -> None:
    error = error_of(fault, LanguageSettings(base_url="http://localhost/v1", model="m"))
    assert type(error) is kind
    assert remedy in error.message
    assert error.data["server"] == "http://localhost/v1"


def test_what_a_server_says_is_one_short_line() -> None:
    said = shortened("a\n\x1b[31mred\x07 " + "x" * 10_000)
    assert said.isprintable()
    assert len(said) <= 301
    assert said.startswith("a [31mred x")
