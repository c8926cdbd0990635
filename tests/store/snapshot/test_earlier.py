"""Earlier states are opened once, and only so many are kept open; all share one memory."""

from pathlib import Path

import pytest

from saelake.store.engine import Engine
from saelake.store.lake.states import LakeState
from saelake.store.requests.similar import SimilarQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.earlier import EarlierStates
from saelake.store.snapshot.session import Session
from tests.elsewhere import OwnersElsewhere
from tests.lakes import MadeLake, add_documents, make_lake
from tests.stateless import stateless

TOKENS = TokensQuery(collection="made/random", expression="3", k=None)
SIMILAR = SimilarQuery(collection="made/random", docs=(1,), k=None)


@pytest.fixture
def made(tmp_path: Path) -> MadeLake:
    return make_lake(tmp_path / "lake", n_documents=30, seed=3)


def moment(minute: int) -> str:
    return str(LakeState(at=f"2026-11-21T10:{minute:02}:00+00:00"))


def test_a_state_is_opened_once_and_the_one_that_is_used_least_is_forgotten(
    made: MadeLake,
) -> None:
    newest = Session(made.lake)
    earlier = EarlierStates(made.lake, newest.earlier, most=2)
    first, second = (earlier.session(moment(minute)) for minute in (1, 2))
    assert earlier.session(moment(1)) is first
    assert first.cache is second.cache is newest.cache
    earlier.session(moment(3))
    assert earlier.session(moment(1)) is first
    assert earlier.session(moment(2)) is not second


@pytest.mark.parametrize("question", [TOKENS, SIMILAR], ids=["tokens", "similar"])
@pytest.mark.parametrize("owned", [False, True], ids=["threads", "owners"])
def test_an_engine_answers_of_a_state_beside_the_newest(
    made: MadeLake, question: TokensQuery | SimilarQuery, owned: bool
) -> None:
    engine = Engine(made.lake.uri, executor=OwnersElsewhere() if owned else None)
    before = engine.ask(question).read_all()
    state = before.schema.metadata[b"state"].decode()
    add_documents(made, 20)
    newest = stateless(Engine(made.lake.uri).ask(question).read_all())
    assert newest.num_rows > before.num_rows
    for _ in range(2):
        assert engine.ask(question, at=state).read_all().equals(before, check_metadata=True)
    engine.close()
