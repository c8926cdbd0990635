"""Jobs of servers begin one after the other."""

import itertools

from saelake.store.lake.jobs import JobRecord
from saelake.store.service.jobs.turns import is_next

ASKED = {"kind": "index"}


def job(job_id: str, state: str = "queued", started: float = 0.0, **more: object) -> JobRecord:
    given = {
        "id": job_id,
        "corpus": "c",
        "state": state,
        "started": started,
        "asked": ASKED,
        **more,
    }
    return JobRecord(**given)  # type: ignore[arg-type]


def test_the_one_that_waits_longest_is_next() -> None:
    jobs = [job("b", started=2), job("a", started=3), job("c", started=1)]
    for order in itertools.permutations(jobs):
        assert [name for name in "abc" if is_next(order, name)] == ["c"]


def test_equals_have_one_order() -> None:
    jobs = [job("b"), job("a")]
    assert [name for name in "ab" if is_next(jobs, name)] == ["a"]


def test_nothing_is_next_while_one_runs() -> None:
    jobs = [job("a"), job("b", "running", started=9)]
    assert not any(is_next(jobs, name) for name in "ab")


def test_what_has_ended_is_waited_for_no_more() -> None:
    ended = [job(state, state) for state in ("done", "failed", "interrupted", "cancelled")]
    assert is_next([*ended, job("z", started=9)], "z")


def test_people_are_not_waited_for() -> None:
    assert is_next([job("theirs", "running", asked=None), job("z")], "z")


def test_one_that_is_not_there_is_never_next() -> None:
    assert not is_next([], "z")
    assert not is_next([job("a")], "z")
