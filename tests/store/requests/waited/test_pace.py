"""What of progress is sent on: never more than a few a second, and each stage to its end."""

from hypothesis import given
from hypothesis import strategies as st

from saelake.store.requests.waited.pace import Pace
from saelake.store.requests.waited.progress import Progress

EVERY_S = 0.25
# Stages of some pieces each, and how long each piece takes.
STAGES = st.lists(st.lists(st.floats(0, 1), max_size=6), min_size=1, max_size=6)


def sent(stages: list[list[float]]) -> list[tuple[float, Progress]]:
    """What is sent, and when, where a clock stands still but while pieces are made."""
    pace, now_s, found = Pace(EVERY_S), 0.0, list[tuple[float, Progress]]()

    def until(then_s: float) -> None:
        nonlocal now_s
        while (wait_s := pace.wait_s(now_s)) is not None and now_s + wait_s <= then_s:
            now_s += wait_s
            found.extend((now_s, each) for each in pace.taken(now_s))
        now_s = then_s

    for step, pieces in enumerate(stages, 1):
        pace.hold(Progress(step=step, stage="a", total=len(pieces)))
        for done, takes_s in enumerate(pieces, 1):
            until(now_s + takes_s)
            pace.hold(Progress(step=step, stage="a", done=done, total=len(pieces)))
    found.extend((now_s, each) for each in pace.taken(now_s))
    return found


@given(STAGES)
def test_what_is_sent_of_a_stage_goes_on_to_its_end(stages: list[list[float]]) -> None:
    steps = dict[int, list[int]]()
    for _, each in sent(stages):
        steps.setdefault(each.step, []).append(each.done)
    for step, dones in steps.items():
        assert dones == sorted(dones)
        assert len(set(dones)) == len(dones), "nothing is sent twice"
        assert dones[-1] == len(stages[step - 1])
    assert list(steps) == sorted(steps)
    assert len(stages) in steps, "the last stage is sent"


@given(STAGES)
def test_no_more_than_a_few_are_sent_in_a_second(stages: list[list[float]]) -> None:
    times = [at for at, _ in sent(stages)]
    most = 2 * int(1 / EVERY_S) + 4  # the newest and an end each time, and what a frame brings
    assert all(sum(at <= other < at + 1 for other in times) <= most for at in times)


def test_what_is_held_is_due_also_when_nothing_else_comes() -> None:
    pace = Pace(EVERY_S)
    assert pace.wait_s(0.0) is None
    pace.hold(Progress(step=1, stage="a", total=3))
    assert pace.wait_s(0.0) == 0.0
    assert len(pace.taken(0.0)) == 1
    pace.hold(Progress(step=1, stage="a", done=1, total=3))
    assert pace.wait_s(0.1) == EVERY_S - 0.1
    assert pace.wait_s(9.0) == 0.0
    assert [each.done for each in pace.taken(9.0)] == [1]
    assert pace.wait_s(9.0) is None
