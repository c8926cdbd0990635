"""An index that is built in portions elsewhere is the one that is built here."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.store.codes.table import CodesTable
from saelake.store.engine import Engine
from saelake.store.errors import Corrupt
from saelake.store.growth.index import index
from saelake.store.index.builder import CODES_BYTES_PER_POSTING, SegmentBuilder
from saelake.store.requests.verify import VerifyQuery
from saelake.store.snapshot.collection import Collection, open_codes
from saelake.store.tables.changes import Fragment
from saelake.store.tables.tables import Table, read
from tests.elsewhere import Elsewhere
from tests.lakes import MadeLake, add_documents, make_lake


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> SegmentBuilder:
    made = make_lake(tmp_path_factory.mktemp("lake"), n_indexed=1)
    return SegmentBuilder(
        codes=CodesTable(open_codes(made.lake, made.name)),
        table=Table.open(made.lake.postings(made.name)),
        memory_bytes=160 * 100,
    )


@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=40))
def test_portions_have_every_fragment_once_and_are_about_as_large_as_a_worker_holds(
    builder: SegmentBuilder, sizes: list[int]
) -> None:
    fragments = [Fragment(id=i, n_rows=1, size_bytes=n) for i, n in enumerate(sizes)]
    portions = builder.portions(fragments)
    assert [f for portion in portions for f in portion] == fragments
    assert all(portions)
    room = builder.capacity * CODES_BYTES_PER_POSTING
    assert builder.capacity == 100
    assert len(portions) <= sum(sizes) // room + 1
    for portion in portions:
        assert sum(f.size_bytes for f in portion[:-1]) < room


def assert_same(made: MadeLake, other: MadeLake) -> None:
    """Both have the same lists of postings, and the same statistics."""
    ours, theirs = (Collection(m.lake, m.name) for m in (made, other))
    assert ours.unindexed == theirs.unindexed == ()
    for feature in range(ours.settings.d_sae):
        mine, yours = (c.posting_list(feature) for c in (ours, theirs))
        for column in ("doc", "max", "position", "start", "length"):
            assert getattr(mine, column).tolist() == getattr(yours, column).tolist()
    features = [read(m.lake.features(m.name)) for m in (made, other)]
    assert features[0].drop(["sum", "mean"]).equals(features[1].drop(["sum", "mean"]))
    assert features[0]["sum"].to_pylist() == pytest.approx(features[1]["sum"].to_pylist())
    checks = Engine(made.lake.uri).ask(VerifyQuery()).read_all().to_pylist()
    assert [check for check in checks if not check["ok"]] == []


@pytest.mark.parametrize("memory_bytes", [1, 2000, 1 << 20])
def test_an_index_built_elsewhere_is_the_one_built_here(tmp_path: Path, memory_bytes: int) -> None:
    """A new one, one that grows, and one of which segments are merged."""
    here = make_lake(tmp_path / "here", n_documents=60, n_fragments=12)
    there = make_lake(tmp_path / "there", n_documents=60, n_fragments=12)
    elsewhere = Elsewhere()
    for portion in range(10):
        index(here.lake, here.name)
        done: list[tuple[int, int]] = []
        report = index(
            there.lake,
            there.name,
            memory_bytes=memory_bytes,
            executor=elsewhere,
            on_progress=lambda *counts, seen=done: seen.append(counts),
        )
        assert done[-1][0] == done[-1][1] >= report.n_documents
        if portion in (0, 9):
            assert_same(there, here)
        here, there = (add_documents(m, 5, seed=portion) for m in (here, there))
    assert {"SegmentBuilder", "CountTotals"} <= set(elsewhere.sent)
    assert ("SegmentMerger" in elsewhere.sent) == (memory_bytes > 1)


def test_damage_that_is_found_elsewhere_is_told_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_lake(tmp_path, n_indexed=0)

    def broken(*_: object, **__: object) -> None:
        raise ValueError("lists that do not fit each other")

    monkeypatch.setattr("saelake.store.index.builder.postings_of", broken)
    with pytest.raises(Corrupt, match="saelake verify made/random --repair"):
        index(made.lake, made.name, executor=Elsewhere())
    assert Collection(made.lake, made.name).segments == ()
