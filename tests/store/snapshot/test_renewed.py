"""A question whose files were cleaned up as it was asked is asked again, of the newest state."""

from datetime import timedelta
from pathlib import Path

import pytest

from saelake.store.codes.executor import Executor, Threads
from saelake.store.engine import Engine
from saelake.store.errors import Corrupt
from saelake.store.growth.clean_up import clean_up
from saelake.store.growth.compact import compact
from saelake.store.growth.delete import delete_documents
from saelake.store.requests.checks import Selection
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.similar import SimilarQuery
from saelake.store.snapshot import fresh
from saelake.store.tables.tables import Table
from tests.elsewhere import OwnersElsewhere
from tests.lakes import MadeLake, make_lake

COLLECTION = "made/random"
HALVES = [Selection(collection=COLLECTION, where=f"label = '{label}'") for label in ("pos", "neg")]
QUESTION = DiffQuery(a=HALVES[0], others=(HALVES[1],), unit="token")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeLake:
    """A lake that is never looked at again by those who have a snapshot of it."""
    monkeypatch.setattr(fresh, "FRESH_S", 1e9)
    return make_lake(tmp_path / "lake", n_documents=40, n_fragments=4)


@pytest.mark.parametrize("executor", [Threads(2), OwnersElsewhere()])
def test_a_state_that_was_cleaned_up_is_left(made: MadeLake, executor: Executor) -> None:
    engine = Engine(made.lake.uri, executor=executor)
    before = engine.ask(SimilarQuery(collection=COLLECTION, docs=(3,), k=3)).read_all()
    delete_documents(made.lake, "made", ids=["d5"])
    compact(made.lake, "made")
    clean_up(made.lake, older_than=timedelta(0), unverified=True)
    found = engine.ask(QUESTION).read_all()
    assert found.equals(Engine(made.lake.uri).ask(QUESTION).read_all())
    assert before.num_rows == 3


def test_what_is_damaged_is_said_all_the_same(made: MadeLake) -> None:
    engine = Engine(made.lake.uri)
    engine.ask(SimilarQuery(collection=COLLECTION, docs=(3,), k=3)).read_all()
    codes = Table.open(made.lake.codes(made.name))
    for fragment in codes.fragments:
        Path(codes.uri, "data", codes.file_of(fragment.id)).unlink()
    with pytest.raises(Corrupt):
        engine.ask(QUESTION)
