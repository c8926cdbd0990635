"""The schedule, in simulated clusters whose workers come, go, stall, return and fail."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.errors import DictionaryMismatch, ModelError, Unavailable, ValueOverflow
from saelake.workers.encoder.shard import Shard
from saelake.workers.fleet.actions import Action, Commit, Drop, Record, Send, Stop
from saelake.workers.fleet.encoded import Counts, EncodedShard
from saelake.workers.fleet.events import Event, Failed, Failure, Joined, Lost, Tick, Written
from saelake.workers.fleet.schedule import Policy, State, begin, step

COLLECTIONS = ("c/d",)
POLICY = Policy(shard_documents=10, most_convicted=1000)
PATIENCE = 20_000  # events


def shard(start: int, stop: int) -> Shard:
    return Shard(start=start, stop=stop, collections=COLLECTIONS)


def encoded(of: Shard) -> EncodedShard:
    return EncodedShard(shard=of, drafts={}, counts=Counts(n_documents=of.n_documents))


def written(worker: str | None, of: Shard) -> Written:
    return Written(worker=worker, encoded=encoded(of))


def failed(worker: str, of: Shard, error: Exception | None = None) -> Failed:
    return Failed(worker=worker, shard=of, failure=Failure.of(error or RuntimeError("no")))


@dataclass
class Simulation:
    """A cluster that does what the schedule says, and keeps account of it."""

    n_documents: int
    random: Random
    deadly: frozenset[int] = frozenset()  # documents that kill their worker
    refused: frozenset[int] = frozenset()  # documents that raise an error
    policy: Policy = POLICY
    state: State = field(init=False)
    now: float = 0.0
    n_joined: int = 0
    hands: dict[str, list[Shard]] = field(default_factory=dict)  # of workers that live
    ghosts: list[tuple[str, Shard]] = field(default_factory=list)  # at work, and given up
    past: list[Event] = field(default_factory=list)
    committed: Counter[int] = field(default_factory=Counter)
    recorded: dict[int, str] = field(default_factory=dict)
    groups: list[int] = field(default_factory=list)
    n_sent: int = 0  # documents
    n_at_risk: int = 0  # documents that were with workers which were lost, or in failures
    stopped: Failure | None = None

    def __post_init__(self) -> None:
        self.state = begin([shard(0, self.n_documents)] if self.n_documents else [], self.policy)

    def tell(self, event: Event) -> None:
        self.past.append(event)
        self.state, actions = step(self.state, event, self.now)
        for action in actions:
            self.perform(action)
        self.check()

    def perform(self, action: Action) -> None:
        match action:
            case Send():
                self.n_sent += action.shard.n_documents
                if action.worker in self.hands:  # else it is gone, and the news on their way
                    self.hands[action.worker].append(action.shard)
            case Commit():
                self.groups.append(len(action.shards))
                for each in action.shards:
                    self.committed.update(range(each.shard.start, each.shard.stop))
            case Drop():
                self.give_up(action.worker)
            case Record():
                assert action.shard.n_documents == 1
                self.recorded[action.shard.start] = action.reason
                self.tell(written(None, action.shard))
            case Stop():
                self.stopped = action.failure

    def check(self) -> None:
        """What holds after every event."""
        assert max(self.committed.values(), default=1) == 1
        for seat in self.state.seats.values():
            assert len(seat.shards) <= self.policy.in_flight
            suspects = [s for s in seat.shards if s in self.state.suspicions]
            assert len(seat.shards) == 1 or not suspects
        assert len(self.state.waiting) <= self.policy.most_drafts + len(self.state.seats) * 2
        assert self.state.open >= set(self.state.queue) | set(self.state.convicted)

    def give_up(self, worker: str) -> None:
        """It is taken for dead, but may still be at work."""
        hand = self.hands.pop(worker, [])
        self.n_at_risk += sum(s.n_documents for s in hand)
        self.ghosts += [(worker, s) for s in hand if self.random.random() < 0.5]

    def join(self) -> None:
        self.n_joined += 1
        name = f"w{self.n_joined}"
        self.hands[name] = []
        self.tell(Joined(worker=name))

    def lose(self, worker: str) -> None:
        self.give_up(worker)
        self.tell(Lost(worker=worker, reason="it was lost"))

    def work(self, worker: str) -> None:
        """A worker finishes what it has first, or fails at it."""
        at = self.hands[worker][0]
        documents = range(at.start, at.stop)
        if self.deadly.intersection(documents):
            self.lose(worker)
            return
        self.hands[worker].remove(at)
        if self.refused.intersection(documents):
            self.n_at_risk += at.n_documents
            self.tell(failed(worker, at))
        else:
            self.tell(written(worker, at))

    def haunt(self) -> None:
        worker, at = self.ghosts.pop(self.random.randrange(len(self.ghosts)))
        if not (self.deadly | self.refused).intersection(range(at.start, at.stop)):
            self.tell(written(worker, at))

    def disturb(self) -> None:
        """Something that ought not to happen, or happens by chance."""
        match self.random.randrange(6):
            case 0:
                self.join()
            case 1 if self.hands:
                self.lose(self.random.choice(sorted(self.hands)))
            case 2 if self.past:
                event = self.random.choice(self.past)
                if not isinstance(event, Joined):  # Ray never brings an actor back
                    self.repeat(event)
            case 3:
                self.now += self.random.choice([0.1, 10.0, 1e4, 1e7])
                self.tell(Tick())
            case 4 if self.ghosts:
                self.haunt()
            case _:
                self.go_on()

    def repeat(self, event: Event) -> None:
        """The same news again; those that say that a living worker is gone are true at once."""
        if isinstance(event, Lost | Failed) and event.worker in self.hands:
            return
        self.tell(event)

    def go_on(self) -> None:
        self.now += 1.0
        busy = sorted(worker for worker, hand in self.hands.items() if hand)
        if busy:
            self.work(self.random.choice(busy))
        elif not self.hands:
            self.join()
        else:
            self.tell(Tick())

    def run(self, n_workers: int, n_disturbances: int = 0) -> None:
        for _ in range(n_workers):
            self.join()
        for _ in range(n_disturbances):
            if not self.stopped:
                self.disturb()
        for _ in range(PATIENCE):
            if self.state.is_done or self.stopped:
                return
            self.go_on()
        raise AssertionError(f"does not end: {self.state}")

    @property
    def n_repeated(self) -> int:
        """Documents that were handed out again."""
        return self.n_sent - self.n_documents


documents = st.integers(0, 120)
randoms = st.randoms(use_true_random=False)


@given(documents, st.integers(1, 5), st.integers(0, 60), randoms)
@settings(max_examples=150, deadline=None)
def test_every_document_is_committed_once_whatever_happens(
    n: int, n_workers: int, n_disturbances: int, random: Random
) -> None:
    made = Simulation(n, random, policy=replace(POLICY, gather_s=random.choice([0.0, 3.0])))
    made.run(n_workers, n_disturbances)
    assert made.committed == Counter(range(n))
    assert made.n_repeated <= made.n_at_risk


@given(st.integers(1, 120), st.integers(1, 5), st.integers(0, 40), randoms)
@settings(max_examples=150, deadline=None)
def test_documents_that_kill_or_fail_are_recorded_and_all_others_encoded(
    n: int, n_workers: int, n_disturbances: int, random: Random
) -> None:
    bad = [random.randrange(n) for _ in range(random.randrange(4))]
    made = Simulation(n, random, deadly=frozenset(bad[:2]), refused=frozenset(bad[2:]))
    made.run(n_workers, n_disturbances)
    assert made.committed == Counter(range(n))
    assert set(bad) <= set(made.recorded)
    assert made.n_repeated <= made.n_at_risk
    if not n_disturbances:
        assert set(bad) == set(made.recorded)


@given(st.integers(0, 300), st.integers(1, 9), randoms)
@settings(max_examples=50, deadline=None)
def test_without_trouble_nothing_is_done_twice(n: int, n_workers: int, random: Random) -> None:
    made = Simulation(n, random)
    made.run(n_workers)
    assert (made.n_repeated, made.state.n_repeated, made.recorded) == (0, 0, {})
    assert made.state.n_sent == -(-n // POLICY.shard_documents)


def started(n_documents: int, *workers: str, policy: Policy = POLICY) -> tuple[State, list[Send]]:
    state = begin([shard(0, n_documents)], policy)
    sent: list[Send] = []
    for worker in workers:
        state, actions = step(state, Joined(worker=worker), 0.0)
        sent += [action for action in actions if isinstance(action, Send)]
    return state, sent


def test_a_worker_has_two_shards_and_gets_a_third_for_the_first() -> None:
    state, sent = started(100, "a")
    assert sent == [Send(worker="a", shard=shard(0, 10)), Send(worker="a", shard=shard(10, 20))]
    state, actions = step(state, written("a", shard(0, 10)), 1.0)
    assert Send(worker="a", shard=shard(20, 30)) in actions
    assert Commit(shards=(encoded(shard(0, 10)),)) in actions


def test_shards_that_wait_for_a_commit_hold_back_more_work() -> None:
    policy = replace(POLICY, gather_s=60.0, most_drafts=3)
    state, _ = started(1000, "a", "b", policy=policy)
    for start in (0, 10):
        state, actions = step(state, written("a", shard(start, start + 10)), 1.0)
        assert [type(action) for action in actions] == [Send]
    state, actions = step(state, written("b", shard(20, 30)), 2.0)
    assert [type(action) for action in actions] == [Commit]
    state, actions = step(state, Tick(), 2.0)
    assert [type(action) for action in actions] == [Send]


def test_what_is_written_is_gathered_for_a_while() -> None:
    state, _ = started(1000, "a", policy=replace(POLICY, gather_s=5.0))
    for at, start in ((1.0, 0), (3.0, 10)):
        state, actions = step(state, written("a", shard(start, start + 10)), at)
        assert not any(isinstance(action, Commit) for action in actions)
    state, actions = step(state, Tick(), 6.0)
    assert actions == [Commit(shards=(encoded(shard(0, 10)), encoded(shard(10, 20))))]


def test_a_lost_workers_shards_go_to_others_one_at_a_time() -> None:
    state, _ = started(40, "a", "b")
    state, actions = step(state, Lost(worker="a", reason="preempted"), 1.0)
    assert actions == []  # b has its two
    state, actions = step(state, written("b", shard(20, 30)), 2.0)
    assert not any(isinstance(action, Send) for action in actions)  # b empties its hands first
    state, actions = step(state, written("b", shard(30, 40)), 3.0)
    assert actions[0] == Send(worker="b", shard=shard(0, 10))
    state, actions = step(state, Joined(worker="c"), 4.0)
    assert actions == [Send(worker="c", shard=shard(10, 20))]
    assert state.n_repeated == 2


def test_a_zombies_result_counts_once() -> None:
    state, _ = started(20, "a", "b")
    state, _ = step(state, Lost(worker="a", reason="silent"), 1.0)
    assert [send.shard for send in _sends(state, "b")] == []
    state, actions = step(state, written("a", shard(0, 10)), 2.0)  # late, and not done by others
    assert any(isinstance(action, Commit) for action in actions)
    state, actions = step(state, written("b", shard(0, 10)), 3.0)
    assert not any(isinstance(action, Commit) for action in actions)


def _sends(state: State, worker: str) -> Sequence[Send]:
    _, actions = step(state, Tick(), 1.0)
    return [a for a in actions if isinstance(a, Send) and a.worker == worker]


def test_a_zombies_whole_shard_replaces_the_halves_that_nobody_has_written() -> None:
    policy = replace(POLICY, attempts=1)
    state, _ = started(10, "a", policy=policy)
    state, _ = step(state, Lost(worker="a", reason="silent"), 1.0)
    assert set(state.open) == {shard(0, 5), shard(5, 10)}
    state, actions = step(state, written("a", shard(0, 10)), 2.0)
    assert actions == [Commit(shards=(encoded(shard(0, 10)),))]
    assert state.is_done


def test_a_stalled_worker_is_dropped_by_what_shards_took_so_far() -> None:
    policy = replace(POLICY, patience=4.0, least_s=10.0, first_s=1000.0)
    state, _ = started(100, "a", "b", policy=policy)
    state, actions = step(state, Tick(), 900.0)
    assert actions == []  # nothing is known yet
    state, _ = step(state, written("a", shard(0, 10)), 900.0)
    state, actions = step(state, Tick(), 1001.0)
    assert actions == []  # 3600 s are four times what the first took
    state, actions = step(state, Tick(), 4000.0)
    assert actions[0] == Drop(worker="b")
    assert "b" not in state.seats
    assert "did not finish" in state.suspicions[shard(20, 30)].failures[0].reason


def test_a_worker_that_only_fails_is_replaced() -> None:
    policy = replace(POLICY, in_flight=1, failures=2)
    state, _ = started(100, "a", "b", policy=policy)
    state, actions = step(state, failed("a", shard(0, 10)), 1.0)
    assert actions == [Send(worker="a", shard=shard(20, 30))]  # another one: b may try the first
    state, actions = step(state, failed("a", shard(20, 30)), 2.0)
    assert actions == [Drop(worker="a")]


@pytest.mark.parametrize(
    ("error", "blame"),
    [
        (RuntimeError("CUDA error"), "document"),
        (OSError("disk full"), "place"),
        (Unavailable("the store does not answer"), "place"),
        (ModelError("no such hook"), "run"),
        (DictionaryMismatch("it does not fit"), "run"),
        (ValueOverflow("with on_error fail"), "run"),
    ],
)
def test_errors_are_the_fault_of_a_document_a_place_or_the_run(
    error: Exception, blame: str
) -> None:
    assert Failure.of(error).blame == blame
    assert str(error) in Failure.of(error).reason


def test_an_error_of_the_run_stops_it() -> None:
    state, _ = started(100, "a", "b")
    error = ModelError("no such hook")
    _, actions = step(state, failed("a", shard(0, 10), error), 1.0)
    assert [a.failure.error for a in actions if isinstance(a, Stop)] == [error]


def test_an_error_of_a_place_is_tried_elsewhere_and_splits_nothing() -> None:
    state, _ = started(40, "a", "b")
    state, actions = step(state, failed("a", shard(0, 10), OSError("disk full")), 1.0)
    assert not any(isinstance(action, Stop) for action in actions)
    for start in (20, 30):
        state, actions = step(state, written("b", shard(start, start + 10)), 2.0)
    assert Send(worker="b", shard=shard(0, 10)) in actions
    state, actions = step(state, failed("b", shard(0, 10), OSError("disk full")), 3.0)
    assert any(isinstance(action, Stop) for action in actions)


def test_a_document_that_fails_stops_the_run_when_asked_to() -> None:
    made = Simulation(
        50, Random(0), refused=frozenset([17]), policy=replace(POLICY, on_error="fail")
    )
    made.run(2)
    assert made.stopped is not None
    assert "Document 17" in made.stopped.reason
    assert made.recorded == {}


def test_when_every_document_fails_none_is_recorded() -> None:
    policy = replace(POLICY, most_convicted=8)
    made = Simulation(50, Random(0), refused=frozenset(range(50)), policy=policy)
    made.run(2)
    assert made.stopped is not None
    assert "8 documents one after another" in made.stopped.reason
    assert made.recorded == {}


def test_the_last_document_may_be_the_bad_one() -> None:
    made = Simulation(1, Random(0), deadly=frozenset([0]))
    made.run(1)
    assert made.recorded == {0: "it was lost"}
    assert made.committed == Counter([0])
