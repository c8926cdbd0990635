"""Shards of codes: visible whole and once, whoever else writes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from saelake.store.errors import AlreadyExists, NotFound
from saelake.store.format.schema import codes_schema
from saelake.store.growth.shards import (
    ShardCommitter,
    ShardDraft,
    ShardWriter,
    check_free,
)
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.tables.changes import Change, Draft
from saelake.store.tables.tables import Table, read
from saelake.workers.encoder.pack import PageCodes, Part, pack
from tests.lakes import settings

SETTINGS = settings(n_features=4)
NAME = CollectionName.parse(SETTINGS.name)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def writer(lake: Lake, *, buffer_bytes: int = 1 << 20) -> ShardWriter:
    return ShardWriter(lake, SETTINGS, buffer_bytes=buffer_bytes)


def rows(places: Sequence[tuple[int, int]]) -> pa.RecordBatch:
    """Rows of these (document, part)s, of one token and one code each."""
    parts = [
        Part(
            doc=doc,
            part=part,
            token_ids=np.ones(1, np.int32),
            starts=np.zeros(1, np.uint32),
            lengths=np.ones(1, np.uint16),
        )
        for doc, part in places
    ]
    at = np.arange(len(parts), dtype=np.int32)
    codes = PageCodes(at, 0 * at, 0 * at + 2, np.ones(len(at), np.float32))
    return pack(parts, codes, schema=codes_schema(SETTINGS), codec=SETTINGS.codec)


def documents(start: int, stop: int) -> pa.RecordBatch:
    return rows([(doc, 0) for doc in range(start, stop)])


def stored(lake: Lake) -> list[int]:
    found: list[int] = read(lake.codes(NAME), ["doc"], "doc is not null")["doc"].to_pylist()
    return found


def drafted(lake: Lake, *ranges: tuple[int, int]) -> list[ShardDraft]:
    """Shards that are written and not committed, a fragment each."""
    shards = writer(lake)
    drafts = []
    for start, stop in ranges:
        shards.add(documents(start, stop))
        drafts.append(shards.finish(start, stop))
    return drafts


def test_a_shard_is_seen_when_it_is_committed(lake: Lake) -> None:
    shards, committer = writer(lake), ShardCommitter(lake, SETTINGS)
    shards.add(documents(0, 2))
    shards.add(documents(2, 3))
    draft = shards.finish(0, 3)
    assert committer.done() == []
    with pytest.raises(NotFound):
        stored(lake)
    assert committer.commit([draft]) == [draft]
    assert (committer.done(), stored(lake)) == ([(0, 3)], [0, 1, 2])


def test_what_is_discarded_is_never_seen(lake: Lake) -> None:
    shards = writer(lake, buffer_bytes=1)
    for start in (0, 2):
        shards.add(documents(start, start + 2))
    shards.discard()
    shards.add(documents(7, 9))
    ShardCommitter(lake, SETTINGS).commit([shards.finish(7, 9)])
    assert stored(lake) == [7, 8]


@pytest.mark.parametrize("other", [(0, 4), (1, 2), (0, 1), (3, 4), (3, 9), (0, 9)])
def test_a_shard_that_another_writer_has_begun_is_left_out(
    lake: Lake, other: tuple[int, int]
) -> None:
    late, early = ShardCommitter(lake, SETTINGS), ShardCommitter(lake, SETTINGS)
    first, second, untouched = drafted(lake, other, (0, 4), (9, 11))
    assert early.commit([first]) == [first]
    assert late.commit([second, untouched]) == [untouched]
    assert sorted(stored(lake)) == [*range(*other), 9, 10]
    assert late.done() == early.done()


def test_a_group_is_one_version_and_a_shard_in_it_twice_is_stored_once(lake: Lake) -> None:
    committer = ShardCommitter(lake, SETTINGS)
    (first, *groups) = drafted(lake, (6, 8), (4, 6), (0, 2), (1, 3), (2, 4))
    assert committer.commit([first]) == [first]
    version = Table.open(lake.codes(NAME)).version
    assert committer.commit([*groups, groups[0]]) == [groups[0], groups[1], groups[3]]
    assert Table.open(lake.codes(NAME)).version == version + 1
    assert sorted(stored(lake)) == list(range(8))
    assert committer.commit(groups) == []
    assert Table.open(lake.codes(NAME)).version == version + 1


def test_shards_in_any_order_are_known_as_few_ranges(lake: Lake) -> None:
    committer = ShardCommitter(lake, SETTINGS)
    for draft in drafted(lake, *((start, start + 3) for start in (6, 0, 3, 12))):
        assert committer.commit([draft])
    # What it committed it knows by itself; a new one reads it.
    assert committer.done() == [(0, 9), (12, 15)] == ShardCommitter(lake, SETTINGS).done()


def test_what_a_committer_knows_of_a_fragment_is_what_is_in_it(lake: Lake) -> None:
    """Fragments may be replaced one by one, so a shard's range says nothing of each of them."""
    shards, committer = writer(lake, buffer_bytes=1), ShardCommitter(lake, SETTINGS)
    for start in (0, 2, 7):
        shards.add(documents(start, start + 2))
    draft = shards.finish(0, 9)
    assert draft.documents == (((0, 2),), ((2, 4),), ((7, 9),))
    committer.commit([draft])
    table = Table.open(lake.codes(NAME))
    assert tuple(map(table.file_of, sorted(table.fragment_ids))) == draft.draft.files
    table.commit(lambda _: Change(add=Draft(()), remove=(table.fragments[1].id,)))
    assert committer.done() == [(0, 2), (7, 9)]


def test_racing_writers_store_each_document_once(lake: Lake) -> None:
    def write(_: int) -> int:
        committer = ShardCommitter(lake, SETTINGS)
        groups = drafted(lake, *((start, start + 3) for start in range(0, 24, 3)))
        return sum(len(committer.commit(groups[i : i + 2])) for i in range(0, 8, 2))

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(write, range(3))) == 8
    assert sorted(stored(lake)) == list(range(24))


def test_the_parts_of_a_document_share_a_fragment(lake: Lake) -> None:
    shards = writer(lake, buffer_bytes=1)
    for places in ([(0, 0), (1, 0)], [(1, 1)], [(1, 2), (2, 0)], [(3, 0)]):
        shards.add(rows(places))
    ShardCommitter(lake, SETTINGS).commit([shards.finish(0, 4)])
    fragments = Table.open(lake.codes(NAME)).fragments
    assert [fragment.n_rows for fragment in fragments] == [5, 1]


def test_other_settings_are_refused_before_anything_is_made(lake: Lake) -> None:
    check_free(lake, SETTINGS)
    with pytest.raises(NotFound):
        lake.tables()
    shards = writer(lake)
    shards.add(documents(0, 2))
    ShardCommitter(lake, SETTINGS).commit([shards.finish(0, 2)])
    check_free(lake, replace(SETTINGS, model="the same, elsewhere"))
    other = replace(SETTINGS, window=17, hook="layers.1")
    with pytest.raises(AlreadyExists, match=r"window = 16 \(now 17\)") as caught:
        check_free(lake, other)
    assert caught.value.data["hook"] == SETTINGS.hook
    with pytest.raises(AlreadyExists):
        ShardWriter(lake, other, buffer_bytes=1)


def test_a_run_that_stores_nothing_does_not_bind_the_next_one(lake: Lake) -> None:
    writer(lake, buffer_bytes=1).add(documents(0, 2))
    wider = replace(SETTINGS, window=17)
    other = ShardWriter(lake, wider, buffer_bytes=1)
    other.add(documents(0, 2))
    assert ShardCommitter(lake, wider).commit([other.finish(0, 2)])
    with pytest.raises(AlreadyExists, match=r"window = 17 \(now 16\)"):
        writer(lake)
