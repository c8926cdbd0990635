"""What to do next when shards are encoded by workers that come, go, stall and fail.

A pure function: `step(state, event, now)` gives the next state and what to do. It knows no clock,
store or cluster. It keeps these promises, whatever events come, late, twice or never:

- each document that is planned is handed out for commit in exactly one written shard;
- a worker always has up to `Policy.in_flight` shards, so that none waits for the driver, unless
  too many written shards wait to be committed;
- a shard that failed, or was with a worker that was lost, is tried again by another worker, with
  nothing else in flight there, so that what fails next is its own fault;
- one that fails `Policy.attempts` times is split in halves, which are split when they fail, until
  the document that is to blame stands alone. It is recorded with the reason once another shard
  shows that documents can be encoded at all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from saelake.workers.encoder.options import OnError
from saelake.workers.encoder.shard import Shard
from saelake.workers.fleet.actions import Action, Commit, Drop, Record, Send, Stop
from saelake.workers.fleet.encoded import EncodedShard
from saelake.workers.fleet.events import Event, Failed, Failure, Joined, Lost, Tick, Written


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How shards are handed out.

    Attributes:
        shard_documents: how many documents a shard has at most.
        in_flight: shards that a worker has at a time.
        most_drafts: written shards that may wait for a commit before no more is handed out.
        gather_s: how long a written shard waits for others to be committed with, in seconds.
        attempts: how often a shard is tried before it is split, and a document before it is
            recorded as failed.
        patience: a worker has stalled after so many times the longest that as many documents
            took so far, and after `least_s` seconds at least; while nothing is known, after
            `first_s`.
        failures: a worker that fails so often in a row is replaced.
        most_convicted: so many failing documents in a row are the fault of something else.
    """

    shard_documents: int
    in_flight: int = 2
    most_drafts: int = 256
    gather_s: float = 0.0
    attempts: int = 3
    patience: float = 10.0
    least_s: float = 120.0
    first_s: float = 3600.0
    failures: int = 3
    most_convicted: int = 8
    on_error: OnError = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """What a worker has: shards in the order in which it works on them.

    `begun` is when it turned to the first of them; `n_failed` counts its failures in a row.
    """

    shards: tuple[Shard, ...] = ()
    begun: float = 0.0
    n_failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What is held against a shard: failures, and the workers that had them."""

    failures: tuple[Failure, ...] = ()
    workers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a run stands.

    Attributes:
        gaps: documents that were never handed out.
        open: shards that were cut and are not written.
        queue: those of them that no worker has.
        suspicions: those of them that failed.
        convicted: those of them that are single documents which failed too often.
        waiting: written shards that wait for a commit, the first since `since`.
        slowest: the longest time of a document so far, as the mean of its shard, in seconds.
        n_sent: how often a shard was handed out.
        n_repeated: how often it had been handed out before, whole or in part.
    """

    policy: Policy
    gaps: tuple[Shard, ...]
    open: frozenset[Shard] = frozenset()
    queue: tuple[Shard, ...] = ()
    suspicions: Mapping[Shard, Suspicion] = field(default_factory=dict)
    convicted: tuple[Shard, ...] = ()
    seats: Mapping[str, Seat] = field(default_factory=dict)
    waiting: tuple[EncodedShard, ...] = ()
    since: float = 0.0
    slowest: float | None = None
    n_sent: int = 0
    n_repeated: int = 0

    @property
    def is_done(self) -> bool:
        """Whether every document was handed out for commit."""
        return not (self.gaps or self.open or self.waiting)

    @property
    def n_in_flight(self) -> int:
        """How many shards are with workers."""
        return sum(len(seat.shards) for seat in self.seats.values())


Next: TypeAlias = tuple[State, list[Action]]


def begin(gaps: Iterable[Shard], policy: Policy) -> State:
    """The state before anything happened."""
    return State(policy=policy, gaps=tuple(gaps))


def step(state: State, event: Event, now: float) -> Next:
    """The state after an event, and what to do, in this order. `now` is in seconds."""
    actions: list[Action] = []
    match event:
        case Joined():
            state = _seated(state, event.worker, state.seats.get(event.worker, Seat()))
        case Lost():
            state, actions = _lost(state, event)
        case Written():
            state, actions = _written(state, event, now)
        case Failed():
            state, actions = _failed(state, event, now)
        case Tick():
            state, actions = _stalled(state, now)
    for further in (_judged, _handed_out, _gathered):
        state, more = further(state, now)
        actions += more
    return state, actions


def _seated(state: State, worker: str, seat: Seat) -> State:
    return replace(state, seats={**state.seats, worker: seat})


def _unseated(state: State, worker: str, shard: Shard, now: float) -> State:
    """The state when a worker does not have the shard any more, if it had it."""
    seat = state.seats.get(worker)
    if seat is None or shard not in seat.shards:
        return state
    begun = now if shard == seat.shards[0] else seat.begun
    left = tuple(s for s in seat.shards if s != shard)
    return _seated(state, worker, replace(seat, shards=left, begun=begun))


def _written(state: State, event: Written, now: float) -> Next:
    shard = event.encoded.shard
    if event.worker is not None:
        state = _timed(state, event.worker, shard, now)
        state = _unseated(state, event.worker, shard, now)
    pieces = frozenset([shard] if shard in state.open else (s for s in state.open if s in shard))
    if sum(piece.n_documents for piece in pieces) < shard.n_documents:
        return state, []  # another worker was faster with some of it
    state = _without(state, pieces)
    since = state.since if state.waiting else now
    state = replace(state, waiting=(*state.waiting, event.encoded), since=since)
    return (state, []) if event.worker is None else _recorded(state)


def _timed(state: State, worker: str, shard: Shard, now: float) -> State:
    seat = state.seats.get(worker)
    if seat is None:
        return state
    state = _seated(state, worker, replace(seat, n_failed=0))
    if seat.shards[:1] != (shard,):
        return state
    seconds = (now - seat.begun) / shard.n_documents
    return replace(state, slowest=max(seconds, state.slowest or 0.0))


def _without(state: State, pieces: frozenset[Shard]) -> State:
    """The state without open shards: they are written, or split."""
    return replace(
        state,
        open=state.open - pieces,
        queue=tuple(s for s in state.queue if s not in pieces),
        suspicions={s: held for s, held in state.suspicions.items() if s not in pieces},
        convicted=tuple(s for s in state.convicted if s not in pieces),
    )


def _lost(state: State, event: Lost) -> Next:
    seat = state.seats.get(event.worker)
    if seat is None:
        return state, []
    seats = {name: other for name, other in state.seats.items() if name != event.worker}
    state = replace(state, seats=seats)
    failure = Failure(blame="document", reason=event.reason)
    actions: list[Action] = []
    for shard in seat.shards:
        state, more = _held_against(state, shard, event.worker, failure)
        actions += more
    return state, actions


def _failed(state: State, event: Failed, now: float) -> Next:
    seat = state.seats.get(event.worker)
    if seat is None or event.shard not in seat.shards:
        return state, []
    state = _unseated(state, event.worker, event.shard, now)
    state = _seated(
        state, event.worker, replace(state.seats[event.worker], n_failed=seat.n_failed + 1)
    )
    state, actions = _held_against(state, event.shard, event.worker, event.failure)
    if seat.n_failed + 1 >= state.policy.failures:
        return _dropped(state, event.worker, event.failure.reason, actions)
    return state, actions


def _dropped(state: State, worker: str, reason: str, actions: list[Action]) -> Next:
    state, more = _lost(state, Lost(worker=worker, reason=reason))
    return state, [*actions, Drop(worker=worker), *more]


def _stalled(state: State, now: float) -> Next:
    actions: list[Action] = []
    for worker, seat in state.seats.items():
        if not seat.shards:
            continue
        waited = now - seat.begun
        if waited > _deadline(state, seat.shards[0]):
            reason = f"its worker did not finish in {waited:,.0f} s"
            state, actions = _dropped(state, worker, reason, actions)
    return state, actions


def _deadline(state: State, shard: Shard) -> float:
    policy = state.policy
    if state.slowest is None:
        return policy.first_s
    return max(policy.patience * state.slowest * shard.n_documents, policy.least_s)


def _held_against(state: State, shard: Shard, worker: str, failure: Failure) -> Next:
    """The state when a worker has failed at a shard: it is tried again, split or convicted."""
    if shard not in state.open:
        return state, []  # another worker has written it
    held = state.suspicions.get(shard, Suspicion())
    held = Suspicion(failures=(*held.failures, failure), workers=held.workers | {worker})
    if failure.blame == "run":
        return state, [Stop(failure=failure)]
    if failure.blame == "place" and not _other(state, held):
        return state, [Stop(failure=failure)]
    state = replace(
        state,
        queue=(*(s for s in state.queue if s != shard), shard),
        suspicions={**state.suspicions, shard: held},
    )
    n_blamed = sum(f.blame == "document" for f in held.failures)
    if n_blamed < state.policy.attempts:
        return state, []
    return _split(state, shard) if shard.n_documents > 1 else _convicted(state, shard)


def _other(state: State, held: Suspicion) -> bool:
    """Whether there is a worker that has not failed at it, and one more attempt."""
    others = [worker for worker in state.seats if worker not in held.workers]
    return bool(others) and len(held.failures) < state.policy.attempts


def _split(state: State, shard: Shard) -> Next:
    """The state with two halves in place of a shard; each is split when it fails again."""
    held = state.suspicions[shard]
    blamed = [f for f in held.failures if f.blame == "document"]
    first, second = shard.cut(shard.n_documents // 2)
    assert second is not None
    known = Suspicion(failures=tuple(blamed[1:]))
    state = _without(state, frozenset([shard]))
    halves = [first, second]
    # A document that stands alone is tried as often as a whole shard was.
    held_against = {
        half: known if half.n_documents > 1 else Suspicion(failures=tuple(blamed[-1:]))
        for half in halves
    }
    return replace(
        state,
        open=state.open | frozenset(halves),
        queue=(*halves, *state.queue),
        suspicions={**state.suspicions, **held_against},
    ), []


def _convicted(state: State, shard: Shard) -> Next:
    failure = state.suspicions[shard].failures[-1]
    if state.policy.on_error == "fail":
        told = replace(failure, reason=f"Document {shard.start}: {failure.reason}")
        return state, [Stop(failure=told)]
    queue = tuple(s for s in state.queue if s != shard)
    return replace(state, queue=queue, convicted=(*state.convicted, shard)), []


def _recorded(state: State) -> Next:
    """The state when the convicted documents are recorded: there is no doubt about them."""
    records: list[Action] = [
        Record(shard=shard, reason=state.suspicions[shard].failures[-1].reason)
        for shard in state.convicted
    ]
    return replace(state, convicted=()), records


def _judged(state: State, now: float) -> Next:
    """Whether convicted documents are many enough to doubt it, or all that is left."""
    del now
    if len(state.convicted) >= state.policy.most_convicted:
        failure = state.suspicions[state.convicted[-1]].failures[-1]
        n = len(state.convicted)
        said = f"{n} documents one after another could not be encoded, the last one because: "
        return state, [Stop(failure=replace(failure, reason=said + failure.reason))]
    if state.convicted and not state.gaps and state.open == frozenset(state.convicted):
        return _recorded(state)
    return state, []


def _handed_out(state: State, now: float) -> Next:
    actions: list[Action] = []
    hands = {name: len(seat.shards) for name, seat in state.seats.items()}
    with_room = [name for name, n in hands.items() if n < state.policy.in_flight]
    for worker in sorted(with_room, key=lambda name: hands[name]):
        while (found := _next_for(state, worker)) is not None:
            state, shard = found
            actions.append(Send(worker=worker, shard=shard))
            seat = state.seats[worker]
            begun = seat.begun if seat.shards else now
            state = _seated(state, worker, replace(seat, shards=(*seat.shards, shard), begun=begun))
            state = replace(state, n_sent=state.n_sent + 1)
    return state, actions


def _next_for(state: State, worker: str) -> tuple[State, Shard] | None:
    """The shard that a worker gets next, if it gets one now."""
    shards = state.seats[worker].shards
    if len(shards) >= state.policy.in_flight or len(state.waiting) >= state.policy.most_drafts:
        return None
    if any(shard in state.suspicions for shard in shards):
        return None  # a suspect is alone, so that nothing else is blamed for it
    suspects = [shard for shard in state.queue if _may_try(state, worker, shard)]
    if suspects:
        return _taken(state, suspects[0]) if not shards else None
    return _cut(state)


def _may_try(state: State, worker: str, shard: Shard) -> bool:
    """Whether a worker may try a shard that failed: not again, unless all workers have."""
    avoided = state.suspicions[shard].workers
    return worker not in avoided or all(name in avoided for name in state.seats)


def _taken(state: State, shard: Shard) -> tuple[State, Shard]:
    queue = tuple(s for s in state.queue if s != shard)
    return replace(state, queue=queue, n_repeated=state.n_repeated + 1), shard


def _cut(state: State) -> tuple[State, Shard] | None:
    if not state.gaps:
        return None
    shard, rest = state.gaps[0].cut(state.policy.shard_documents)
    gaps = (rest, *state.gaps[1:]) if rest else state.gaps[1:]
    return replace(state, gaps=gaps, open=state.open | {shard}), shard


def _gathered(state: State, now: float) -> Next:
    """The commit of what is written, when it has waited long enough or is all there is."""
    policy = state.policy
    due = now - state.since >= policy.gather_s or len(state.waiting) >= policy.most_drafts
    if not state.waiting or not (due or not (state.gaps or state.open)):
        return state, []
    return replace(state, waiting=()), [Commit(shards=state.waiting)]
