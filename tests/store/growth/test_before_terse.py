"""Collections from before rows were terse: they open, answer, grow and shrink as they are."""

from pathlib import Path

import pytest

import saelake
from saelake.store.codes.terse import is_terse
from saelake.store.errors import Conflict
from saelake.store.format.schema import codes_schema
from saelake.store.growth import shards
from saelake.store.growth.compact import compact
from saelake.store.growth.delete import delete_documents
from saelake.store.growth.index import index
from saelake.store.growth.shards import ShardCommitter, ShardWriter
from saelake.store.lake.lake import Lake
from saelake.store.tables.tables import Table
from tests.lakes import MadeLake, add_documents, make_lake
from tests.store.growth.test_compact import answers
from tests.store.growth.test_shards import SETTINGS, documents


def made(folder: Path, *, terse: bool) -> MadeLake:
    return make_lake(folder, n_documents=30, n_fragments=3, n_indexed=2, seed=4, is_terse=terse)


def form(lake: MadeLake) -> bool:
    return is_terse(Table.open(lake.lake.codes(lake.name)).schema)


@pytest.mark.parametrize("terse", [False, True])
def test_a_collection_stays_in_its_form_and_answers_as_the_other(
    tmp_path: Path, terse: bool
) -> None:
    """Grown, indexed, with documents deleted, compacted: beside one that is made anew."""
    lake = add_documents(made(tmp_path / "one", terse=terse), 9)
    other = add_documents(made(tmp_path / "other", terse=not terse), 9)
    assert (form(lake), form(other)) == (terse, not terse)
    assert answers(lake.lake) == answers(other.lake)
    for each in (lake, other):
        index(each.lake, each.name)
        delete_documents(each.lake, "made", ids=["d3", "d31"])
    assert answers(lake.lake) == answers(other.lake)
    for each in (lake, other):
        assert [done.n_removed for done in compact(each.lake, "made")][-1] == 2
        assert saelake.connect(each.lake.uri).verify().ok
    assert (form(lake), form(other)) == (terse, not terse)
    assert answers(lake.lake) == answers(other.lake)
    assert answers(add_documents(lake, 5).lake) == answers(add_documents(other, 5).lake)


def test_rows_of_one_form_are_not_committed_among_those_of_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer began when there was no table, and an earlier saelake made one meanwhile."""
    lake = Lake(str(tmp_path))
    late = ShardWriter(lake, SETTINGS, buffer_bytes=1)
    late.add(documents(0, 2))
    shard = late.finish(0, 2)
    with monkeypatch.context() as before:
        before.setattr(shards, "terse_schema", codes_schema)
        early = ShardWriter(lake, SETTINGS, buffer_bytes=1)
        early.add(documents(2, 4))
        ShardCommitter(lake, SETTINGS).commit([early.finish(2, 4)])
    with pytest.raises(Conflict, match=r"rows of another form\. Run the same command again"):
        ShardCommitter(lake, SETTINGS).commit([shard])
    again = ShardWriter(lake, SETTINGS, buffer_bytes=1)
    again.add(documents(0, 2))
    committer = ShardCommitter(lake, SETTINGS)
    assert committer.commit([again.finish(0, 2)])
    assert committer.done() == [(0, 4)]
