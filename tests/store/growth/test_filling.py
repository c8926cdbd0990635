"""Codes put among others: fragments never interleave, whatever comes when."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.codes.table import CodesTable, locate
from saelake.store.format.schema import codes_schema
from saelake.store.growth import filling
from saelake.store.growth.filling import CodesFiller, HeldRange, Placement, placements
from saelake.store.lake.lake import CollectionName, Lake
from saelake.workers.encoder.pack import PageCodes, Part, pack
from tests.lakes import settings as settings_of

SETTINGS = settings_of(n_features=4)
NAME = CollectionName.parse(SETTINGS.name)


def rows(docs: Sequence[int], value: float = 1.0, *, parts: int = 1) -> pa.RecordBatch:
    """A row of one token and one code for each part of each of these documents."""
    made = [
        Part(
            doc=doc,
            part=part,
            token_ids=np.ones(1, np.int32),
            starts=np.zeros(1, np.uint32),
            lengths=np.ones(1, np.uint16),
        )
        for doc in docs
        for part in range(parts)
    ]
    at = np.arange(len(made), dtype=np.int32)
    codes = PageCodes(at, 0 * at, 0 * at + 2, np.full(len(at), value, np.float32))
    return pack(made, codes, schema=codes_schema(SETTINGS), codec=SETTINGS.codec)


def put(filler: CodesFiller, docs: Sequence[int], value: float = 1.0) -> None:
    left = np.unique(np.array(docs, np.int64))
    for placement in placements(left, filler.held()):
        some = placement.docs.tolist()
        batches = [rows(some[i : i + 3], value) for i in range(0, len(some), 3)]
        assert filler.put(placement, batches)


def extents(filler: CodesFiller) -> list[tuple[int, int]]:
    return [(held.start, held.stop) for held in filler.held()]


def stored(filler: CodesFiller) -> dict[int, float]:
    codes = CodesTable(filler.table())
    found: dict[int, float] = {}
    for fragment in codes.table.fragments:
        before = -1
        for batch in codes.scan(["doc", "part", "max"], fragments=[fragment.id]):
            values = codes.codec.decode(np.asarray(batch["max"].flatten()))
            for doc, value in zip(batch["doc"].to_pylist(), values.tolist(), strict=True):
                assert doc > before
                before, found[doc] = doc, value
    return found


@given(
    held=st.lists(st.integers(0, 60), max_size=10, unique=True).map(sorted),
    docs=st.lists(st.integers(0, 60), min_size=1, unique=True).map(sorted),
)
def test_documents_go_between_fragments_or_into_one(held: list[int], docs: list[int]) -> None:
    bounds = held[: len(held) // 2 * 2]
    fragments = [
        HeldRange(fragment=i, start=a, stop=b)
        for i, (a, b) in enumerate(zip(bounds[::2], bounds[1::2], strict=True))
    ]
    found = placements(np.array(docs, np.int64), fragments)
    assert [doc for each in found for doc in each.docs.tolist()] == docs
    for each in found:
        first, last = int(each.docs[0]), int(each.docs[-1])
        if each.fragment is None:
            assert all(h.stop <= first or last < h.start for h in fragments)
        else:
            assert fragments[each.fragment].start <= first <= last < fragments[each.fragment].stop
    named = [each.fragment for each in found if each.fragment is not None]
    assert len(named) == len(set(named))


@settings(max_examples=15)
@given(
    parts=st.lists(st.lists(st.integers(0, 40), min_size=1, unique=True), min_size=1, max_size=4)
)
def test_what_was_put_last_is_there_once(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[int]]
) -> None:
    filler = CodesFiller(Lake(str(tmp_path_factory.mktemp("filling"))), SETTINGS)
    expected: dict[int, float] = {}
    for value, docs in enumerate(parts, start=1):
        put(filler, docs, float(value))
        expected |= dict.fromkeys(docs, float(value))
        assert stored(filler) == expected
        found = extents(filler)
        assert all(a[1] <= b[0] for a, b in pairwise(found))


def test_fragments_stay_small_and_parts_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "FRAGMENT_ROWS", 5)
    filler = CodesFiller(Lake(str(tmp_path)), SETTINGS)
    docs = np.arange(0, 24, 2)
    assert filler.put(Placement(docs=docs), [rows(docs.tolist(), parts=2)])
    table = filler.table()
    sizes = [fragment.n_rows for fragment in table.fragments]
    assert sum(sizes) == 24
    assert max(sizes) <= 6  # to the end of a document
    held = [
        d for f in table.fragments for a, b in locate(table, [f.id]).ranges() for d in range(a, b)
    ]
    assert sorted(held) == docs.tolist()


def test_who_comes_second_places_anew(tmp_path: Path) -> None:
    one, other = (CodesFiller(Lake(str(tmp_path)), SETTINGS) for _ in range(2))
    assert one.put(Placement(docs=np.array([0, 9])), [rows([0, 9])])
    stale = Placement(docs=np.array([4, 5]))
    assert not other.put(stale, [rows([4, 5])])
    (placed,) = placements(stale.docs, other.held())
    assert one.put(placed, [rows([4])])  # which makes another fragment of it
    assert not other.put(placed, [rows([4, 5])])
    put(other, [5])
    assert sorted(stored(one)) == [0, 4, 5, 9]
