"""A lake grows and shrinks in any order, and always holds what a plain list would."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

import saelake
from saelake.lake import Lake as SaeLake
from saelake.store.documents.documents import Documents
from saelake.store.engine import Engine
from saelake.store.growth.clean_up import clean_up
from saelake.store.growth.compact import compact
from saelake.store.growth.delete import delete_documents
from saelake.store.growth.index import index
from saelake.store.lake.lake import Lake
from saelake.store.lake.tags import make_tag
from saelake.store.query.codes import codes_of
from saelake.store.query.parts.search import search
from saelake.store.requests.tokens import TokensQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.snapshot.collection import Collection
from tests.lakes import MadeLake, add_documents, encode_documents, make_lake

AT_ONCE = timedelta(0)
FEATURE = 3


@dataclass(frozen=True)
class Expected:
    """What a lake must hold: what was made, and which documents are deleted."""

    made: MadeLake
    n_encoded: int
    deleted: frozenset[int] = frozenset()

    @property
    def n_documents(self) -> int:
        return len(self.made.texts)

    def codes(self) -> set[tuple[str, int, int, int, float]]:
        return {
            (f"d{c.doc}", c.doc, c.position, c.feature, c.value)
            for c in self.made.codes
            if c.doc not in self.deleted
        }

    def strongest(self) -> list[tuple[int, float]]:
        best: dict[int, float] = {}
        for _, doc, _, feature, value in self.codes():
            if feature == FEATURE:
                best[doc] = max(value, best.get(doc, value))
        return sorted(best.items(), key=lambda found: (-found[1], found[0]))


def assert_holds(collection: Collection, expected: Expected) -> None:
    """Postings, codes and documents of a snapshot are as expected."""
    name = str(collection.name)
    matches = search(collection, TokensQuery(collection=name, expression=str(FEATURE), k=None))
    found = list(zip(matches.doc.tolist(), matches.value.tolist(), strict=True))
    assert found == expected.strongest()
    rows = codes_of(collection).read_all().to_pylist()
    listed = {(r["id"], r["doc"], r["position"], r["feature"], r["value"]) for r in rows}
    assert len(listed) == len(rows)
    assert listed == expected.codes()
    documents = collection.documents
    assert documents.n_documents - documents.n_deleted == expected.n_documents - len(
        expected.deleted
    )


class Growth(RuleBasedStateMachine):
    """Everything that changes a lake, in any order, beside a reader that opened it before."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        made = make_lake(Path(self.folder.name), n_documents=4, n_fragments=1, n_indexed=0)
        self.now = Expected(made, n_encoded=4)
        self.tagged: dict[str, Expected] = {}
        self.open_reader()

    @property
    def lake(self) -> Lake:
        return self.now.made.lake

    @rule()
    def open_reader(self) -> None:
        self.reader = Collection(self.now.made.lake, self.now.made.name)
        self.seen = self.now

    @rule(n=st.integers(1, 4))
    def append(self, n: int) -> None:
        made = add_documents(self.now.made, n, seed=self.now.n_documents, encoded=False)
        self.now = replace(self.now, made=made)

    @precondition(lambda self: self.now.n_encoded < self.now.n_documents)
    @rule(share=st.floats(0.1, 1))
    def encode(self, share: float) -> None:
        missing = self.now.n_documents - self.now.n_encoded
        stop = self.now.n_encoded + max(int(share * missing), 1)
        docs = range(self.now.n_encoded, stop)
        made = encode_documents(self.now.made, docs, seed=stop)
        self.now = replace(self.now, made=made, n_encoded=stop)

    @rule(memory_bytes=st.sampled_from([1, 1 << 20]))
    def index(self, memory_bytes: int) -> None:
        index(self.lake, self.now.made.name, memory_bytes=memory_bytes)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        alive = sorted(set(range(self.now.n_documents)) - self.now.deleted)
        if not alive:
            return
        chosen = data.draw(st.lists(st.sampled_from(alive), max_size=3, unique=True))
        if chosen:
            delete_documents(self.lake, "made", ids=[f"d{doc}" for doc in chosen])
        self.now = replace(self.now, deleted=self.now.deleted | set(chosen))

    @rule()
    def compact(self) -> None:
        compact(self.lake, "made")

    @rule()
    def clean_up(self) -> None:
        clean_up(self.lake, older_than=AT_ONCE, unverified=True)
        self.open_reader()  # it reads the newest state, else its files are gone

    @precondition(lambda self: len(self.tagged) < 2)
    @rule()
    def tag(self) -> None:
        name = f"t{len(self.tagged)}"
        make_tag(self.lake, name)
        self.tagged[name] = self.now

    @invariant()
    def every_reader_is_right(self) -> None:
        name = self.now.made.name
        assert_holds(self.reader, self.seen)
        assert_holds(Collection(self.lake, name), self.now)
        for tag, expected in self.tagged.items():
            assert_holds(Collection(Lake(self.lake.uri, tag), name), expected)

    def teardown(self) -> None:
        checks = Engine(self.lake.uri).ask(VerifyQuery()).read_all().to_pylist()
        assert all(check["ok"] for check in checks), checks
        every = np.arange(self.now.n_documents, dtype=np.uint64)
        rows = Documents.open(self.lake, "made").take(every, ["doc"])["doc"]
        assert rows.to_pylist() == every.tolist()
        self.folder.cleanup()


def test_a_server_answers_of_one_state_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While documents come and go, each answer is one that a state of the lake has."""
    monkeypatch.setattr("saelake.store.snapshot.fresh.FRESH_S", 0.0)
    made = make_lake(tmp_path, n_documents=30, tokens=(4, 12), n_fragments=5, n_indexed=5)
    server = BackgroundServer(ServerSettings(uri=made.lake.uri, address=Address(port=0)))
    answers: list[tuple[tuple[int, float], ...]] = []
    stop = Event()

    def read(lake: SaeLake) -> None:
        while not stop.is_set():
            hits = lake["made/random"].tokens(FEATURE, k=None)
            answers.append(tuple((hit.doc, hit.value) for hit in hits))

    with server, saelake.connect(server.target) as remote, ThreadPoolExecutor(1) as threads:
        reader = threads.submit(read, remote)
        try:
            states = list(_states(Expected(made, n_encoded=30)))
        finally:
            stop.set()
        reader.result()
        last = tuple((h.doc, h.value) for h in remote["made/random"].tokens(FEATURE, k=None))
    assert last == states[-1]
    seen = [next(i for i, state in enumerate(states) if state == answer) for answer in answers]
    assert seen == sorted(seen)
    assert len(set(states)) > 3


def _states(expected: Expected) -> Iterator[tuple[tuple[int, float], ...]]:
    """Grow and shrink a lake; what it answers after each step that changes answers."""
    lake = expected.made.lake
    yield tuple(expected.strongest())
    for step in range(4):
        doc = expected.strongest()[0][0]
        delete_documents(lake, "made", ids=[f"d{doc}"])
        expected = replace(expected, deleted=expected.deleted | {doc})
        yield tuple(expected.strongest())
        expected = replace(expected, made=add_documents(expected.made, 3, seed=step))
        yield tuple(expected.strongest())
        index(lake, expected.made.name)
        compact(lake, "made")


TestGrowth = Growth.TestCase
TestGrowth.settings = settings(
    max_examples=10,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
