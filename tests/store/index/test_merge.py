"""Merged segments are those that would have been built of all codes at once."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from saelake.store.arrays.postings import among_strongest
from saelake.store.codes import table as codes_table
from saelake.store.codes.table import CodesTable
from saelake.store.format.schema import N_TIERS, postings_schema
from saelake.store.index import builder as building
from saelake.store.index import layout, merge, postings
from saelake.store.index.builder import SegmentBuilder, by_first_document
from saelake.store.index.layout import PostingsBlock
from saelake.store.index.merge import MERGE_BYTES_PER_POSTING, SegmentMerger
from saelake.store.index.others import MOST_OTHERS, NONE_LEFT, Others
from saelake.store.index.segments import PostingsTable, Segment
from saelake.store.index.tiers import bands, n_others
from saelake.store.snapshot.collection import open_codes
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table
from saelake.workers.encoder import pack
from tests import lakes
from tests.lakes import MadeLake, make_lake

SMALL_TIERS = (3, 5)


class Built:
    """A collection without an index, whose segments are made by hand."""

    def __init__(self, folder: Path, made: MadeLake) -> None:
        self.folder = folder
        self.codes = CodesTable(open_codes(made.lake, made.name))
        self.n_tables = 0

    def segments(self, memory_bytes: int) -> PostingsTable:
        """The segments of all codes, in a table of their own."""
        self.n_tables += 1
        schema = postings_schema(self.codes.settings)
        table = Table.open_or_create(str(self.folder / f"{self.n_tables}.lance"), schema)
        builder = SegmentBuilder(codes=self.codes, table=table, memory_bytes=memory_bytes)
        fragments = by_first_document(self.codes, self.codes.table.fragments)
        for built in builder.each(fragments):
            table = committed(table, Change(add=built.draft))
        return PostingsTable(table)


def committed(table: Table, change: Change) -> Table:
    return table.commit(lambda _: change)


def merged(found: PostingsTable, chosen: Sequence[Segment], memory_bytes: int) -> PostingsTable:
    done = SegmentMerger(table=found.table, memory_bytes=memory_bytes)(chosen)
    gone = tuple(segment.fragment for segment in done.segments)
    return PostingsTable(committed(found.table, Change(add=done.draft, remove=gone)))


def rows(found: PostingsTable) -> pa.Table:
    """What the only segment has in its rows, as it is stored."""
    (segment,) = found.segments
    addresses = [segment.fragment << 32 | row for row in range(segment.n_rows)]
    names = [name for name in found.table.schema.names if name != "covers"]
    return found.table.take_addresses(addresses, names)


def groups(found: PostingsTable) -> list[list[Segment]]:
    by_covers: dict[tuple[int, ...], list[Segment]] = {}
    for segment in found.segments:
        by_covers.setdefault(segment.covers, []).append(segment)
    return list(by_covers.values())


@pytest.fixture
def tiers(monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Small tiers, scans and parts, so that small lakes have all of them."""
    for module in (layout, merge):
        monkeypatch.setattr(module, "TIERS", SMALL_TIERS)
    monkeypatch.setattr(layout, "BANDS", (11,))
    monkeypatch.setattr(codes_table, "SCAN_ROWS", 2)
    for module in (lakes, pack, postings, codes_table):
        monkeypatch.setattr(module, "MAX_PART_TOKENS", 4)
    return SMALL_TIERS


@pytest.mark.parametrize("values", ["16-bit", "8-bit"])
@pytest.mark.parametrize("split_documents", [False, True])
@examples(
    max_examples=10,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_merged_segments_are_the_one_that_is_built_at_once(
    tiers: tuple[int, int], values: str, split_documents: bool, data: st.DataObject
) -> None:
    """Over random splits, blocks and orders of merges, ties, poles, and parts of documents.

    An earlier saelake closed a segment also inside a document, whose posting two then have.
    """
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        if split_documents:
            patch.setattr(building, "_at_first_document", lambda batch: (batch.slice(0, 0), batch))
        made = make_lake(
            Path(name) / "lake",
            seed=data.draw(st.integers(0, 1 << 16)),
            n_documents=data.draw(st.integers(4, 24)),
            n_features=data.draw(st.integers(1, 5)),
            tokens=(0, 11),
            levels=data.draw(st.integers(1, 5)),
            signed=data.draw(st.booleans()),
            density=data.draw(st.sampled_from([0.0, 0.05, 0.4])),
            n_fragments=data.draw(st.integers(1, 4)),
            n_indexed=0,
            values=values,
        )
        built = Built(Path(name), made)
        found = built.segments(memory_bytes=data.draw(st.sampled_from([1, 2_000])))
        memory_bytes = data.draw(st.integers(1, 60)) * MERGE_BYTES_PER_POSTING
        while len(found.segments) > 1:
            left = groups(found)
            n = data.draw(st.integers(1 if len(left) == 1 else 2, len(left)))
            chosen = data.draw(st.permutations(left))[:n]
            found = merged(found, [s for group in chosen for s in group], memory_bytes)
        whole = built.segments(1 << 30)
        assert set(found.segments[0].covers) == set(whole.segments[0].covers)
        assert rows(found).equals(rows(whole))


def test_a_segment_is_closed_between_documents(tmp_path: Path, tiers: tuple[int, int]) -> None:
    made = make_lake(
        tmp_path, n_documents=20, tokens=(9, 24), n_fragments=2, n_indexed=0, density=0.5
    )
    found = Built(tmp_path, made).segments(memory_bytes=1)
    assert len(found.segments) > 4
    docs = [
        {int(doc) for t in range(N_TIERS) for p in found.read(range(12), t, [s]) for doc in p.doc}
        for s in found.segments
    ]
    assert sum(map(len, docs)) == len(set().union(*docs)) == 20


def random_block(random: np.random.Generator, sizes: npt.NDArray[np.int64]) -> PostingsBlock:
    """Postings of features with many ties, with other tokens, some of them not known."""
    n = int(sizes.sum())
    count = random.integers(0, MOST_OTHERS + 1, n).astype(np.uint8)
    block = PostingsBlock.empty(0, sizes, np.uint16, int(count.sum()))
    own = block.doc, block.max, block.position, block.token, block.start, block.length
    for column in own:
        column[:] = random.integers(1, 5, n)
    for first, size in zip(block.begins, sizes, strict=True):
        block.doc[first : first + size] = np.sort(random.choice(50, size, replace=False))
    block.ends[:] = block.begins + sizes
    others = block.others
    others.count[:], others.begin[:] = count, np.cumsum(count) - count
    others.rest[:] = np.where(count == MOST_OTHERS, random.integers(0, 16, n), NONE_LEFT)
    others.position[:] = random.integers(0, 300, len(others.position))
    others.level[:] = random.integers(0, 16, len(others.level))
    others.forget(random.random(n) < 0.2)
    return block


def others_at(others: Others, index: Any) -> list[tuple[int, int, list[int], list[int]]]:
    chosen = others[index]
    posting, position, level = chosen.listed()
    return [
        (int(n), int(rest), position[posting == i].tolist(), level[posting == i].tolist())
        for i, (n, rest) in enumerate(zip(chosen.count, chosen.rest, strict=True))
    ]


def test_rows_are_those_of_a_plain_computation(tiers: tuple[int, int]) -> None:
    """Tiers by value and then document, the last in bands, each ascending by document."""
    random = np.random.default_rng(0)
    schema = postings_schema(lakes.settings(n_features=40))
    block = random_block(random, random.integers(0, 30, 40))
    table = pa.Table.from_batches(block.batches(schema, covers=[7, 8]), schema)
    rows = table.to_pylist()
    assert [row["covers"] for row in rows] == [[7, 8]] + [None] * (3 * 40 - 1)
    packed = bands(table["packed"], np.uint16)
    assert n_others(table["packed"]) == len(block.others[slice(None)].listed()[0])
    for feature, (first, end) in enumerate(zip(block.begins, block.ends, strict=True)):
        every = list(range(first, end))
        strength = sorted(every, key=lambda i: (-int(block.max[i]), int(block.doc[i])))
        limits = [(0, 3), (3, 8), (8, 11), (11, 99)]
        at = [sorted(strength[low:high]) for low, high in limits]
        assert rows[3 * feature]["strongest"] == strongest_of(block, at[0])
        found = packed[3 * feature : 3 * feature + 3]
        assert [[band.n for band in each] for each in found] == [
            [len(band) for band in each if band] for each in (at[:1], at[1:2], at[2:])
        ]
        sizes = [row["size"] for row in rows[3 * feature : 3 * feature + 3]]
        assert sizes == [sum(band.n for band in each) for each in found]
        for band, places in zip([b for each in found for b in each], at, strict=False):
            assert others_at(band.others(), slice(None)) == others_at(block.others, places)
            if places is at[0]:
                continue
            doc, max_, position = band.postings(np.uint16)
            start, length = band.characters(position)
            assert band.least == block.max[places].min()
            assert doc.tolist() == block.doc[places].tolist()
            assert max_.tolist() == block.max[places].tolist()
            assert position.tolist() == block.position[places].tolist()
            assert start.tolist() == block.start[places].tolist()
            assert length.tolist() == block.length[places].tolist()


def strongest_of(block: PostingsBlock, places: list[int]) -> list[int]:
    gaps = np.diff(block.doc[places].astype(int), prepend=0)
    others = block.max, block.position, block.token, block.start, block.length
    columns: list[int] = np.concatenate([gaps, *(column[places] for column in others)]).tolist()
    return columns


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.uint8, np.int8])
def test_large_tiers_are_told_apart_by_codes_of_all_sizes(dtype: type[np.integer[Any]]) -> None:
    """More postings than the first two real tiers hold, with codes over the whole range."""
    random = np.random.default_rng(1)
    schema = postings_schema(lakes.settings(n_features=2))
    n, limits = 20_000, np.iinfo(dtype)
    block = PostingsBlock.empty(0, np.array([n, n]), dtype)
    for column in (block.position, block.token, block.start, block.length):
        column[:] = random.integers(0, np.iinfo(column.dtype).max, len(column))
    block.doc[:] = np.tile(np.arange(n), 2)
    block.max[:n] = random.integers(limits.min, limits.max, n, endpoint=True)
    block.max[n:] = random.integers(0, 3, n)
    block.ends[:] = block.begins + n
    found = pa.Table.from_batches(block.batches(schema))
    packed = bands(found["packed"], dtype)
    for feature in range(2):
        values = block.max[feature * n : feature * n + n].astype(int)
        strength = np.lexsort((np.arange(n), -values))
        gaps = np.array(found["strongest"][3 * feature].as_py()[:256])
        assert np.cumsum(gaps).tolist() == np.sort(strength[:256]).tolist()
        for tier, (low, high) in ((1, (256, 16_640)), (2, (16_640, n))):
            (band,) = packed[3 * feature + tier]
            doc, max_, position = band.postings(dtype)
            start, length = band.characters(position)
            at = np.sort(strength[low:high])
            assert np.array_equal(doc, at)
            assert np.array_equal(max_, values[at])
            assert np.array_equal(start, block.start[feature * n + at])
            assert np.array_equal(length, block.length[feature * n + at])


@examples(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2)), max_size=60), st.integers(1, 9))
def test_the_strongest_of_each_feature_are_those_of_a_sort(
    drawn: list[tuple[int, int]], n: int
) -> None:
    feature = np.sort(np.array([f for f, _ in drawn], np.int64))
    values = np.array([v for _, v in drawn], np.int16)
    doc = np.random.default_rng(len(drawn)).permutation(len(drawn))
    begins = np.searchsorted(feature, np.arange(5))
    kept = among_strongest(begins, doc, values, n, int(np.iinfo(np.int16).min))
    order = np.lexsort((doc, -values.astype(int), feature))
    rank = np.arange(len(order)) - begins[feature[order]]
    assert np.array_equal(kept[order], rank < n)
