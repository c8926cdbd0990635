"""Work that may not wait ends where it would; what may is noted."""

from pathlib import Path

import pytest

from saelake.store.requests.waited.waiting import Waits, WouldWait, noting, wait
from saelake.store.tables.tables import Table
from tests.lakes import make_lake


def test_who_may_wait_is_noted_and_goes_on() -> None:
    waits = Waits(may=True)
    with noting(waits):
        assert not waits.were
        wait()
    assert waits.were


def test_who_may_not_wait_ends_there() -> None:
    waits = Waits(may=False)
    with noting(waits), pytest.raises(WouldWait):
        wait()
    assert waits.were
    wait()  # nobody asks any more


def test_to_read_a_table_is_to_wait(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=5)
    table = Table.open(made.lake.documents("made"))
    with noting(Waits(may=False)):
        with pytest.raises(WouldWait):
            table.take([0], ["text"])
        with pytest.raises(WouldWait):
            table.read(["id"])
        with pytest.raises(WouldWait):
            list(table.scan(["id"]))
        with pytest.raises(WouldWait):
            table.open(table.uri)
        assert table.schema.names, "which is known"
