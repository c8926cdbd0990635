"""What owners keep: within their memory, and not given up for what is only passing through."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("ray")
from saelake.workers.ray.holdings import IDLE_S, Holdings
from saelake.workers.ray.owner import Task  # it needs Ray


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Bytes:
    n_bytes: int


@dataclass(frozen=True)
class Item:
    contents: str
    sizes: tuple[int, ...]


@dataclass
class Making:
    made: list[str] = field(default_factory=list)

    def __call__(self, item: Item) -> list[Bytes]:
        self.made.append(item.contents)
        return [Bytes(size) for size in item.sizes]

    __hash__ = object.__hash__


def test_what_is_kept_is_not_made_again() -> None:
    holdings, making = Holdings(100), Making()
    task = Task(lambda part: part.n_bytes, making)
    for _ in range(2):
        assert task.done(Item("a", (40, 30)), holdings) == [40, 30]
        assert task.done(Item("b", (20,)), holdings) == [20]
    assert making.made == ["a", "b"]
    assert holdings.n_bytes == 90


def test_what_is_used_stays_and_what_is_idle_goes() -> None:
    clock = Clock()
    holdings, making = Holdings(100, clock), Making()
    task = Task(lambda part: part.n_bytes, making)
    for _ in range(3):  # of three that do not fit together, two are kept: not none
        for name in "abc":
            task.done(Item(name, (45,)), holdings)
    assert making.made == ["a", "b", "c", "c", "c"]
    clock.now = IDLE_S + 1
    task.done(Item("b", (45,)), holdings)
    task.done(Item("c", (45,)), holdings)
    assert holdings.find((making, "a")) is None
    assert holdings.find((making, "b")) is not None
    assert holdings.find((making, "c")) is not None


def test_merged_results_are_one_of_each_item() -> None:
    task = Task(lambda part: part.n_bytes, Making(), lambda a, b: a + b)
    assert task.done(Item("a", (1, 2, 3)), Holdings(0)) == [6]
    assert task.done(Item("b", ()), Holdings(0)) == []


@given(
    st.integers(0, 100),
    st.lists(
        st.tuples(st.integers(0, 5), st.lists(st.integers(0, 60), max_size=3), st.floats(0, 90)),
        max_size=30,
    ),
)
def test_no_more_is_kept_than_there_is_room_for(
    capacity: int, asked: list[tuple[int, list[int], float]]
) -> None:
    clock = Clock()
    holdings, making = Holdings(capacity, clock), Making()
    task = Task(lambda part: part.n_bytes, making)
    for number, sizes, later in asked:
        clock.now += later
        item = Item(f"{number} {sizes}", tuple(sizes))
        assert task.done(item, holdings) == sizes
        assert 0 <= holdings.n_bytes <= capacity
        assert holdings.n_bytes == sum(kept.n_bytes for kept in holdings._kept.values())
