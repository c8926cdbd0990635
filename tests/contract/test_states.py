"""Several questions see one state, by every face."""

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import saelake
from saelake.lake import Lake
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.growth.clean_up import clean_up
from saelake.store.growth.drop import drop_target
from saelake.store.lake.states import LakeState
from saelake.store.lake.tags import make_tag
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.tables.tables import Table
from tests.contract.conftest import made_anew
from tests.contract.faces import Faces
from tests.lakes import MadeLake, add_documents, make_lake

NAME = "made/random"
Grown = Callable[[MadeLake], MadeLake]


@pytest.fixture
def made(place: Path, fresh_s: float) -> MadeLake:
    return made_anew(place, seed=3, settle_s=fresh_s)


@pytest.fixture(scope="module")
def opened(place: Path, face: str, faces: Faces) -> Iterator[Lake]:
    made_anew(place, seed=3)
    with faces.open(face, str(place)) as lake:
        yield lake


@pytest.fixture
def asked(opened: Lake, made: MadeLake) -> Lake:
    """The lake by a face, made anew."""
    return opened


@pytest.fixture
def grown(fresh_s: float) -> Grown:
    """The lake with more documents, which every question that is asked from then on sees."""

    def more(made: MadeLake) -> MadeLake:
        added = add_documents(made, 20)
        time.sleep(fresh_s)
        return added

    return more


def state(answer: saelake.Tokens) -> str:
    assert answer.state is not None
    return answer.state


def test_an_answer_says_its_state_and_is_given_again(
    asked: Lake, made: MadeLake, grown: Grown
) -> None:
    before = asked[NAME].tokens(3, k=None)
    grown(made)
    after = asked[NAME].tokens(3, k=None)
    assert len(after) > len(before)
    then = asked.as_of(state(before))
    assert then[NAME].tokens(3, k=None) == before
    assert then[NAME].tokens(3, k=None).state == before.state
    assert asked.as_of(state(after))[NAME].tokens(3, k=None) == after
    assert asked[NAME].tokens(3, k=None) == after


def test_what_an_answer_did_not_read_is_of_its_time(
    asked: Lake, made: MadeLake, grown: Grown
) -> None:
    first, before = asked[NAME].tokens(3), asked[NAME].info()
    grown(made)
    then = asked.as_of(state(first))
    assert then[NAME].info() == before
    assert asked[NAME].info().n_documents == before.n_documents + 20
    assert then[NAME].similar(doc=1, k=None).state == first.state
    assert sum(batch.num_rows for batch in then[NAME].embeddings()) == 30
    assert sum(batch.num_rows for batch in asked[NAME].embeddings()) == 50


def test_a_state_is_asked_for_before_any_question(
    asked: Lake, made: MadeLake, grown: Grown
) -> None:
    then = asked.as_of(asked.version().state)
    grown(made)
    assert then[NAME].info().n_documents == 30
    assert {hit.doc for hit in then[NAME].tokens(3, k=None)} <= set(range(30))


def test_a_state_is_the_same_wherever_it_is_opened(
    asked: Lake, made: MadeLake, grown: Grown
) -> None:
    before = asked[NAME].tokens(3, k=None)
    grown(made)
    elsewhere = saelake.connect(made.lake.uri, at=state(before))
    assert elsewhere[NAME].tokens(3, k=None) == before


def test_tags_and_times_are_asked_of_as_well(asked: Lake, made: MadeLake, grown: Grown) -> None:
    make_tag(made.lake, "small")
    before = asked[NAME].tokens(3, k=None)
    moment = datetime.now(UTC).isoformat()
    grown(made)
    for at in ("small", moment):
        then = asked.as_of(at)[NAME].tokens(3, k=None)
        assert then == before
        assert asked.as_of(state(then))[NAME].tokens(3, k=None) == before


def test_a_state_whose_files_are_gone_is_not_found(
    asked: Lake, made: MadeLake, grown: Grown
) -> None:
    first = asked[NAME].tokens(3)
    grown(made)
    clean_up(made.lake, older_than=timedelta())
    with pytest.raises(NotFound, match="state that was asked for is gone"):
        asked.as_of(state(first))[NAME].tokens(3)


def test_a_lake_made_anew_does_not_answer_for_the_one_before(asked: Lake, made: MadeLake) -> None:
    first = asked[NAME].tokens(3)
    drop_target(made.lake, "made")
    shutil.rmtree(made.lake.uri)
    make_lake(Path(made.lake.uri), n_documents=30, seed=4)
    with pytest.raises(NotFound, match="gone"):
        asked.as_of(state(first))[NAME].tokens(3)


@pytest.mark.parametrize("at", ["state:", "state:AAAA", "state:" + "A" * 40_000, "state:ü"])
def test_what_is_no_state_is_refused(asked: Lake, at: str) -> None:
    with pytest.raises(InvalidInput, match="no state of a lake"):
        asked.as_of(at).info()


def test_a_time_that_there_never_was_is_refused(asked: Lake) -> None:
    with pytest.raises(InvalidInput, match="no time that a lake can have been at"):
        asked.as_of("0001-01-01T00:00+14:00").info()


def test_a_state_opens_nothing_but_tables_of_the_lake(asked: Lake, made: MadeLake) -> None:
    elsewhere = make_lake(Path(made.lake.uri).parent / "elsewhere", n_documents=3)
    place = "../elsewhere/made"
    pin = Table.open(elsewhere.lake.documents("made")).pin
    for tables in ({place: pin}, {place: "9.00000000"}):
        forged = LakeState(at=datetime.now(UTC).isoformat(), tables=tables)
        with pytest.raises(InvalidInput, match="no state of a lake"):
            asked.as_of(str(forged)).info()


def test_a_tag_that_is_not_there_is_not_found(asked: Lake) -> None:
    for tag in ("never", "nie ü"):
        with pytest.raises(NotFound, match=f"has (no|a) tag {tag!r}"):
            asked.as_of(tag).info()


def test_an_earlier_state_is_not_written_into(asked: Lake) -> None:
    with pytest.raises(InvalidInput, match=r"only be read|only answers questions"):
        asked.as_of(asked.version().state).delete("made", ids=["d1"])


def test_a_server_of_a_tag_answers_of_no_other_state(made: MadeLake, grown: Grown) -> None:
    make_tag(made.lake, "small")
    newest = state(saelake.connect(made.lake.uri)[NAME].tokens(3))
    grown(made)
    settings = ServerSettings(uri=made.lake.uri, at="small", address=Address(port=0))
    with BackgroundServer(settings) as server, saelake.connect(server.target) as lake:
        found = lake[NAME].tokens(3, k=None)
        assert {hit.doc for hit in found} <= set(range(30))
        assert lake.as_of(state(found))[NAME].tokens(3, k=None) == found
        with pytest.raises(InvalidInput, match="Only the state of 'small' is open here"):
            lake.as_of(newest).info()
