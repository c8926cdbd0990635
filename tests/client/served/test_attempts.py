"""What becomes of a question that is asked several times: decided without a server."""

from saelake.served.attempts import Attempts
from saelake.served.retries import Retries
from saelake.store.errors import NotFound, Unavailable

GONE = Unavailable("It does not answer.")


def attempts(*, most: int = 2, streams: bool = False, timeout_s: float | None = None) -> Attempts:
    return Attempts(Retries(most=most), timeout_s=timeout_s, streams=streams)


def test_an_answer_is_given_out_when_it_is_whole() -> None:
    asked = attempts()
    assert not asked.came(b"half")
    assert asked.wait_after_s(GONE) is not None
    assert not asked.came(b"half")
    assert not asked.came(b"of it")
    assert list(asked.ended()) == [b"half", b"of it"]


def test_what_streams_is_given_out_at_once_and_then_not_asked_for_again() -> None:
    asked = attempts(streams=True)
    assert asked.wait_after_s(GONE) is not None
    assert list(asked.came(b"half")) == [b"half"]
    assert asked.wait_after_s(GONE) is None
    assert not asked.ended()


def test_it_is_asked_again_only_so_often_unless_it_went_on() -> None:
    asked = attempts()
    assert [asked.wait_after_s(GONE) is None for _ in range(3)] == [False, False, True]
    asked.went_on()
    assert asked.wait_after_s(GONE) is not None


def test_nor_is_what_was_closed_here_or_is_answered_or_late() -> None:
    assert attempts().wait_after_s(Unavailable("It is closed.", closed=True)) is None
    assert attempts().wait_after_s(NotFound("There is none.")) is None
    late = attempts(timeout_s=0)
    assert late.left_s == 0
    assert late.wait_after_s(GONE) is None
