"""When a question is asked again: decided without a server or a clock."""

import pytest

from saelake.connection import RETRIES
from saelake.served.retries import Retries
from saelake.store.errors import (
    Crashed,
    InvalidInput,
    LimitExceeded,
    NotFound,
    SaelakeError,
    Unavailable,
)

PLAN = Retries(most=3, first_s=0.2, longest_s=0.5)
GONE = Unavailable("It does not answer.")


def test_the_waits_grow_to_the_longest_and_are_drawn_from_all_of_it() -> None:
    waits = [PLAN.wait_s(GONE, n, None, 0.5) for n in range(4)]
    assert waits == [0.1, 0.2, 0.25, None]
    assert PLAN.wait_s(GONE, 0, None, 0.0) == 0.0


def test_what_the_server_says_is_heeded() -> None:
    busy = LimitExceeded("It is at work.", retry_after_s=2)
    assert PLAN.wait_s(busy, 0, None, 0.5) == pytest.approx(2.1)
    assert PLAN.wait_s(Unavailable("Later.", retry_after_s=1), 0, 5.0, 0.0) == 1.0


def test_nothing_is_asked_again_when_there_is_no_time_for_it() -> None:
    busy = LimitExceeded("It is at work.", retry_after_s=2)
    assert PLAN.wait_s(busy, 0, 1.0, 0.0) is None
    assert PLAN.wait_s(GONE, 2, 0.3, 0.9) is None


@pytest.mark.parametrize(
    "error",
    [
        NotFound("There is none."),
        LimitExceeded("It is too large."),
        InvalidInput("That cannot be meant.", retry_after_s=1),
        SaelakeError("A mistake."),
        Crashed("It ended.", ended="SIGKILL"),
        LimitExceeded("It is at work.", retry_after_s="soon"),
    ],
)
def test_what_will_be_the_same_again_is_not_asked_again(error: SaelakeError) -> None:
    assert PLAN.wait_s(error, 0, None, 0.0) is None


def test_who_connects_has_the_same_number_of_retries() -> None:
    assert Retries().most == RETRIES


@pytest.mark.parametrize("most", [-1, 21, True])
def test_a_number_of_retries_that_cannot_be_meant_is_refused(most: int) -> None:
    with pytest.raises(InvalidInput, match="retries are 0 to 20"):
        Retries(most=most)
