"""Blocks of impacts: every fragment of codes is in one, whatever happens, and they are right."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saelake
from saelake.store.codes.table import CodesTable
from saelake.store.growth import impacts
from saelake.store.growth.clean_up import clean_up
from saelake.store.growth.compact import compact
from saelake.store.growth.delete import delete_documents
from saelake.store.growth.drop import drop_target
from saelake.store.growth.impacts import BlockBuild, index_impacts, plan
from saelake.store.growth.index import index
from saelake.store.health.impacts import wrong_blocks
from saelake.store.health.repair import repair
from saelake.store.index.impact_blocks import ImpactsTable, StoredBlock
from saelake.store.lake.lake import Lake
from saelake.store.lake.tags import make_tag
from saelake.store.snapshot.collection import Collection, open_codes
from saelake.store.tables.changes import Change, Fragment
from saelake.store.tables.tables import Table, overwrite
from tests.lakes import MadeLake, make_lake


@pytest.fixture(autouse=True)
def every_lake_has_impacts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impacts, "LEAST_DOCUMENTS", 1)


def stored(number: int, covers: tuple[int, ...], n_docs: int) -> StoredBlock:
    unknown: Any = None
    return StoredBlock(
        fragment=number,
        covers=covers,
        docs=np.zeros(n_docs),
        typical=unknown,
        scales=unknown,
        starts=unknown,
        features=unknown,
        measured=unknown,
    )


@given(st.lists(st.integers(1, 1000), max_size=30), st.integers(1, 3000), st.data())
def test_a_plan_covers_every_fragment_once(
    sizes: list[int], full_bytes: int, data: st.DataObject
) -> None:
    fragments = [Fragment(id=i + 1, n_rows=n, size_bytes=n) for i, n in enumerate(sizes)]
    ids = [f.id for f in fragments]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(ids)), max_size=12)))
    pieces = [tuple(ids[a:b]) for a, b in zip([0, *cuts], cuts, strict=False) if b > a]
    blocks = [stored(100 + i, piece, 1) for i, piece in enumerate(pieces)]
    build = plan(fragments, blocks, full_bytes)
    assert (build is None) == (sum(map(len, pieces)) == len(ids))
    made = build or BlockBuild(groups=())
    kept = [i for b in blocks if b.fragment not in made.replaces for i in b.covers]
    assert sorted([*kept, *(f.id for group in made.groups for f in group)]) == ids
    for group in made.groups:
        assert len(group) == 1 or sum(f.size_bytes for f in group) <= full_bytes


def covers(made: MadeLake) -> list[int]:
    found = ImpactsTable(Table.open(made.lake.impacts(made.name)))
    return sorted(i for block in found.blocks for i in block.covers)


def assert_right(made: MadeLake, n_covered: int | None = None) -> None:
    collection = Collection(made.lake, made.name)
    assert covers(made) == sorted(f.id for f in collection.codes.table.fragments)[:n_covered]
    assert collection.nearest is not None
    assert list(wrong_blocks(collection)) == []
    dense = made.embeddings()
    for block in collection.nearest.blocks:
        found = collection.nearest.table.taken([(block, np.arange(len(block.docs)))])
        assert np.array_equal(found.doc, block.docs)
        for row, doc in enumerate(block.docs.tolist()):
            features, values = found.row(row)
            assert np.array_equal(features, np.flatnonzero(dense[doc]))
            assert np.array_equal(values, dense[doc][features])


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("values", ["16-bit", "8-bit"])
def test_embeddings_are_those_of_the_codes(tmp_path: Path, signed: bool, values: str) -> None:
    made = make_lake(
        tmp_path, n_fragments=4, n_indexed=4, signed=signed, values=values, failed={(7, 0)}
    )
    if values == "16-bit":
        assert_right(made)
    assert list(wrong_blocks(Collection(made.lake, made.name))) == []


def test_of_documents_that_were_all_deleted_nothing_is_measured(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=4, n_indexed=0)
    for deleted in ("d0 d1 d2", "d3"):
        delete_documents(made.lake, "made", ids=deleted.split())
        index(made.lake, made.name, memory_bytes=1)
    compact(made.lake, "made")
    lake = saelake.connect(made.lake.uri)
    assert len(lake[str(made.name)].similar(features={1: 1.0}, k=None)) == 0
    assert lake.verify().ok


@pytest.mark.slow
def test_a_lake_that_grows_keeps_few_blocks(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=60, n_fragments=30, n_indexed=30)
    table = ImpactsTable(Table.open(made.lake.impacts(made.name)))
    assert 1 < len(table.blocks) <= impacts.MAX_SMALL + 1
    assert_right(made)


def test_documents_of_blocks_are_counted_as_they_are_done(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=40, n_fragments=4, n_indexed=0)
    codes = CodesTable.of(made.lake, open_codes(made.lake, made.name))
    told: list[tuple[int, int]] = []
    index_impacts(
        made.lake,
        made.name,
        codes,
        memory_bytes=1,  # a block for each fragment
        on_progress=lambda n, left: told.append((n, left)),
    )
    n_rows = [fragment.n_rows for fragment in codes.table.fragments]
    assert [n for n, _ in told] == n_rows
    assert [left for _, left in told] == [sum(n_rows[i + 1 :]) for i in range(len(n_rows))]


def test_small_collections_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impacts, "LEAST_DOCUMENTS", 41)
    made = make_lake(tmp_path, n_documents=40, n_fragments=2, n_indexed=2)
    assert Table.find(made.lake.impacts(made.name)) is None
    assert Collection(made.lake, made.name).nearest is None


def test_two_indexers_make_every_block_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_lake(tmp_path, n_fragments=4, n_indexed=0)
    codes = CodesTable.of(made.lake, open_codes(made.lake, made.name))
    decide = impacts._BlockCommitter.commit
    raced: list[bool] = []

    def slow(self: Any, *args: Any) -> None:
        if not raced:  # before the first commit another indexer makes everything
            raced.append(True)
            index_impacts(made.lake, made.name, codes, memory_bytes=1)
        decide(self, *args)

    monkeypatch.setattr(impacts._BlockCommitter, "commit", slow)
    index_impacts(made.lake, made.name, codes, memory_bytes=1)
    assert len(ImpactsTable(Table.open(made.lake.impacts(made.name))).blocks) == 4
    assert_right(made)


def test_what_is_compacted_is_indexed_again(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_fragments=4, n_indexed=4)
    compact(made.lake, "made")
    assert_right(made)


def test_a_block_of_other_codes_is_found_and_made_again(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_fragments=3, n_indexed=3)
    table = ImpactsTable(Table.open(made.lake.impacts(made.name)))
    first, second, *_ = table.blocks
    block = table.taken([(first, np.arange(len(first.docs)))])
    draft = table.write(block, first.scales, table.levels(first), first.measured, second.covers)
    table.table.commit(lambda _: Change(add=draft, remove=(second.fragment,)))
    lake = saelake.connect(made.lake.uri)
    assert any("impacts" in check.check for check in lake.verify().problems)
    (done,) = repair(made.lake)
    assert (done.n_blocks, done.n_segments) == (1, 0)
    assert list(lake.verify().problems) == []
    index(made.lake, made.name)
    assert_right(made)


def test_a_sketch_that_is_damaged_is_found_and_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(impacts, "is_worth_sketches", lambda _: True)
    made = make_lake(tmp_path, n_fragments=3, n_indexed=3)
    assert_right(made)
    levels = tmp_path.glob("*.nearest.lance/data/*/10*.blob")  # the first of each row
    path = max(levels, key=lambda each: each.stat().st_size)
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    lake = saelake.connect(made.lake.uri)
    assert any("impacts" in check.check for check in lake.verify().problems)
    repair(made.lake)
    assert list(lake.verify().problems) == []
    assert_right(made)


@pytest.mark.parametrize("before", [False, True])
def test_new_blocks_have_sketches_where_others_have_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """Those of before have none, which stays so, and is right."""
    monkeypatch.setattr(impacts, "is_worth_sketches", lambda _: not before)
    made = make_lake(tmp_path, n_fragments=4, n_indexed=2)
    monkeypatch.setattr(impacts, "is_worth_sketches", lambda _: before)
    index(made.lake, made.name)
    found = Collection(made.lake, made.name).nearest
    assert found is not None
    assert len(found.blocks) > 2
    assert {block.has_sketches for block in found.blocks} == {not before}
    assert list(saelake.connect(made.lake.uri).verify().problems) == []


def test_a_tag_keeps_the_impacts_of_its_state(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_fragments=4, n_indexed=4)
    make_tag(made.lake, "before")
    compact(made.lake, "made")
    clean_up(made.lake, older_than=timedelta(0), unverified=True)
    newest, tagged = (Collection(lake, made.name).nearest for lake in (made.lake, at_tag(made)))
    assert newest is not None
    assert tagged is not None
    assert len(newest.blocks) == 1
    assert len(tagged.blocks) == 4
    assert tagged.embeddings(np.arange(20, dtype=np.uint64)) is not None
    early = make_lake(tmp_path / "early", n_fragments=4, n_indexed=0)
    make_tag(early.lake, "before")
    index(early.lake, early.name)
    assert Collection(early.lake, early.name).nearest is not None
    assert Collection(at_tag(early), early.name).nearest is None


def at_tag(made: MadeLake) -> Lake:
    return Lake(made.lake.uri, "before")


@pytest.mark.parametrize("tagged", [False, True])
def test_impacts_of_before_go_with_the_next_index(tmp_path: Path, tagged: bool) -> None:
    """They are not read; those of a tagged state stay until it is dropped."""
    made = make_lake(tmp_path, n_fragments=3, n_indexed=2)
    old = made.lake.outdated_impacts(made.name)
    overwrite(old, pa.table({"asked": pa.array([1], pa.uint32())}))
    if tagged:
        make_tag(made.lake, "before")
    assert_right(made, n_covered=2)
    index(made.lake, made.name)
    assert_right(made)
    assert (Table.find(old) is not None) == tagged
    drop_target(made.lake, "made/random")
    assert Table.find(old) is None


def test_sizes_count_the_files_of_levels_and_rows(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_fragments=3, n_indexed=3)
    data = tmp_path.glob("*.nearest.lance/data/**/*.*")
    table = ImpactsTable(Table.open(made.lake.impacts(made.name)))
    anchor = min(tmp_path.glob("*.nearest.lance/data/*.lance"), key=lambda p: p.stat().st_mtime)
    files = {Path(table.table.file_of(each.id)).stem for each in table.table.fragments}
    mine = [path for path in data if {path.stem, path.parent.name} & files]  # not of before
    n_bytes = sum(path.stat().st_size for path in mine if path != anchor)
    assert table.size_bytes == n_bytes
    assert table.is_local


def test_dropping_takes_the_impacts_along(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_fragments=2, n_indexed=2)
    drop_target(made.lake, "made/random")
    assert not [table for table in made.lake.tables() if "nearest" in table]
