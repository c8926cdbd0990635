"""How far work is, as who listens is told it."""

from collections.abc import Iterator
from threading import Thread

import pytest

from saelake.store.codes.executor import Threads
from saelake.store.requests.waited.progress import (
    Progress,
    Relay,
    Teller,
    entered,
    listening,
    passing,
    telling,
    told,
)


@pytest.fixture
def heard() -> list[Progress]:
    return []


def test_pieces_are_counted_as_they_come(heard: list[Progress]) -> None:
    with telling(Teller(heard.append, 0)):
        assert list(told("adding", Threads(2).map(abs, [-1, -2, -3]), 3)) == [1, 2, 3]
        assert list(told("reading", iter("ab"))) == ["a", "b"]
        entered("thinking")
    assert [(p.step, p.stage, p.done, p.total) for p in heard] == [
        *((1, "adding", done, 3) for done in range(4)),
        *((2, "reading", done, None) for done in range(3)),
        (3, "thinking", 0, None),
    ]


def test_where_nobody_listens_the_items_are_handed_on_as_they_are(heard: list[Progress]) -> None:
    items = iter([1, 2])
    assert told("adding", items, 2) is items
    entered("thinking")
    with telling(Teller(heard.append)), telling(None):
        assert told("adding", items, 2) is items
        entered("thinking")
    assert listening() is None
    assert heard == []


def test_another_thread_is_not_heard(heard: list[Progress]) -> None:
    with telling(Teller(heard.append, 0)):
        thread = Thread(target=lambda: list(told("adding", [1], 1)))
        thread.start()
        thread.join()
    assert heard == []


def test_a_stage_is_told_of_now_and_then_but_its_beginning_and_end_always(
    heard: list[Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def slowly(n: int) -> Iterator[int]:
        for number in range(n):
            now[0] += 0.1
            yield number

    with telling(Teller(heard.append, 0.45)):
        assert len(list(told("adding", slowly(12), 12))) == 12
        assert len(list(told("reading", range(5), 5))) == 5
    assert [(p.step, p.done) for p in heard] == [(1, 0), (1, 5), (1, 10), (1, 12), (2, 0), (2, 5)]


def test_what_a_listener_raises_ends_the_work(heard: list[Progress]) -> None:
    def listen(told: Progress) -> None:
        heard.append(told)
        raise KeyError(told.stage)

    with telling(Teller(listen)), pytest.raises(KeyError, match="adding"):
        list(told("adding", [1, 2], 2))
    assert len(heard) == 1


def test_stages_of_another_process_have_numbers_of_their_own_here(heard: list[Progress]) -> None:
    teller = Teller(heard.append, 0)
    with telling(teller):
        list(told("adding", [1], 1))
    for _ in range(2):  # an answer, and the same asked again
        relay = Relay(teller)
        for step, done in ((1, 0), (1, 4), (3, 0)):
            relay.tell(Progress(step=step, stage="there", done=done, total=9))
    assert [(p.step, p.done) for p in heard[2:]] == [(2, 0), (2, 4), (3, 0), (4, 0), (4, 4), (5, 0)]


def test_one_pass_of_one_has_no_number() -> None:
    assert passing("reading", 1, 1) == "reading"
    assert passing("reading", 2, 3) == "reading, pass 2 of 3"
