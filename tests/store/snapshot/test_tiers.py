"""What is kept of posting lists is what is stored, and an answer is of its snapshot either way."""

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from saelake.store.arrays.cache import PATIENCE, Cache
from saelake.store.engine import Engine
from saelake.store.errors import Corrupt
from saelake.store.format.schema import N_TIERS
from saelake.store.growth.compact import compact
from saelake.store.growth.delete import delete_documents
from saelake.store.growth.index import index
from saelake.store.index import features, layout, merge, segments
from saelake.store.index import tiers as index_tiers
from saelake.store.index.segments import PostingBand, PostingList
from saelake.store.query.parts import lists, search
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot import fresh, tiers
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.tiers import Narrow, Tiers
from tests.lakes import MadeLake, add_documents, make_lake

ROOM = 1 << 24
FILTERS = (None, "label = 'pos'", "length > 20 AND label <> 'neg'", "id LIKE 'd1%'", "length < 9")


@pytest.fixture(autouse=True)
def _short_tiers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiers of 4 and 8 postings, so that small lakes have several."""
    for module in (layout, merge, segments, features, search, lists):
        monkeypatch.setattr(module, "TIERS", (4, 8))


@pytest.fixture
def made(tmp_path: Path) -> MadeLake:
    """A lake of several segments, and a fragment that none covers."""
    return make_lake(tmp_path / "lake", n_documents=90, n_fragments=4, n_indexed=3)


def opened(made: MadeLake, cache: Cache) -> tuple[Collection, Tiers]:
    collection = Collection(made.lake, made.name, cache)
    assert collection.postings is not None
    return collection, Tiers(collection.postings, collection.segments, cache)


def as_lists(postings: PostingList) -> list[list[Any]]:
    names = ("doc", "max", "position", "token", "start", "length")
    return [getattr(postings, name).tolist() for name in names]


def settled(engine: Engine) -> None:
    """Wait until what is read beside questions is read."""
    for _ in range(1000):
        if not engine._session.cache.is_reading:
            return
        time.sleep(0.005)
    raise AssertionError


@pytest.mark.parametrize("tier", range(N_TIERS))
def test_what_is_kept_is_what_is_stored(made: MadeLake, tier: int) -> None:
    cache = Cache(ROOM)
    collection, kept = opened(made, cache)
    assert len(collection.segments) > 1
    wanted = [(f, segment) for f in range(made.n_features) for segment in collection.segments]
    assert collection.postings is not None
    expected = [as_lists(p) for p in collection.postings.read_each(wanted, tier)]
    assert [as_lists(p) for p in kept.read(wanted, tier)] == expected
    assert [as_lists(p) for p in kept.read(wanted, tier)] == expected
    cache.clear()
    kept._read_first()
    kept._read_second()
    found = kept.read(wanted[::-1], tier)
    assert [as_lists(p) for p in found][::-1] == expected
    (stored,) = collection.postings.read_each(wanted[:1], tier)
    for name in ("doc", "max", "position", "token", "start", "length"):
        assert getattr(found[-1], name).dtype == getattr(stored, name).dtype


columns = npst.arrays(
    np.int64, st.shared(st.integers(0, 5), key="n"), elements=st.integers(-1, 2**32 - 1)
)


@settings(max_examples=60)
@given(columns, columns, columns, columns, st.shared(st.integers(0, 5), key="n"))
def test_a_list_is_the_same_in_few_bytes(
    doc: Any, position: Any, start: Any, length: Any, n: int
) -> None:
    postings = PostingList(
        doc=np.abs(doc).astype(np.uint64),
        max=np.arange(n, dtype=np.int16),
        position=np.abs(position).astype(np.uint32),
        token=np.broadcast_to(np.int64(-1), n),
        start=start,
        length=length,
    )
    assert as_lists(Narrow.of(postings).postings) == as_lists(postings)


@pytest.mark.parametrize("tier", range(N_TIERS))
def test_bands_are_read_once(made: MadeLake, monkeypatch: pytest.MonkeyPatch, tier: int) -> None:
    collection, kept = opened(made, Cache(ROOM))
    wanted = [(f, segment) for f in range(made.n_features) for segment in collection.segments]
    first = [list(map(of_band, bands)) for bands in kept.bands(wanted, tier)]
    assert any(first)
    assert collection.postings is not None
    monkeypatch.setattr(type(collection.postings), "read_bands", None)
    again = kept.bands(wanted[::-1], tier)[::-1]
    assert [list(map(of_band, bands)) for bands in again] == first


@pytest.mark.parametrize("tier", range(N_TIERS))
@pytest.mark.parametrize("whole", [0, 1 << 16])
def test_bands_where_they_lie_are_those_that_lance_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tier: int, whole: int
) -> None:
    monkeypatch.setattr(index_tiers, "READ_WHOLE", whole)
    monkeypatch.setattr(layout, "BANDS", (16, 24))
    made = make_lake(tmp_path / "lake", n_documents=200, n_fragments=4, n_indexed=4)
    cache = Cache(ROOM)
    collection, kept = opened(made, cache)
    wanted = [(f, segment) for f in range(made.n_features) for segment in collection.segments]
    postings = collection.postings
    assert postings is not None
    expected = [list(map(of_band, bands)) for bands in postings.read_bands(wanted, tier)]
    assert max(map(len, expected)) == (3 if tier == 2 else 1)
    kept._locate()
    kept._read_first()
    n_bytes = cache.n_bytes
    monkeypatch.setattr(type(postings), "read_bands", None)
    for _ in range(2):
        assert [list(map(of_band, bands)) for bands in kept.bands(wanted, tier)] == expected
        docs = [band.postings_in(None)[1] for bands in kept.bands(wanted, tier) for band in bands]
        assert [len(each) for each in docs] == [len(of[0]) for b in expected for of in b]
    assert cache.n_bytes == n_bytes


def test_where_tiers_lie_is_not_kept_where_it_takes_too_much(made: MadeLake) -> None:
    cache = Cache(100)
    _, kept = opened(made, cache)
    kept._locate()
    assert cache.n_bytes == 0


def test_a_segment_that_is_merged_away_is_damaged_where_it_lay(made: MadeLake) -> None:
    collection, kept = opened(made, Cache(ROOM))
    kept._locate()
    segment = collection.segments[0]
    uri = made.lake.postings(made.name)
    assert collection.postings is not None
    name = collection.postings.table.file_of(segment.fragment)
    (Path(uri) / "data" / name).unlink()
    with pytest.raises(Corrupt, match="damaged"):
        kept.bands([(2, segment)], 1)


def of_band(band: PostingBand) -> list[Any]:
    others = band.others()
    postings = band.postings()
    starts, lengths = band.characters_at(np.arange(len(postings)), postings.position)
    whole = [postings.doc, postings.max, postings.position, starts, lengths, *others.listed()]
    return [array.tolist() for array in whole]


def test_first_tiers_of_a_segment_serve_every_snapshot(made: MadeLake) -> None:
    cache = Cache(ROOM)
    _, kept = opened(made, cache)
    kept._read_first()
    n_bytes = cache.n_bytes
    assert n_bytes > 0
    grown = add_documents(made, 5)
    _, later = opened(grown, cache)
    later._read_first()
    assert cache.n_bytes == n_bytes
    index(made.lake, made.name)
    collection, newest = opened(grown, cache)
    newest._read_first()
    assert cache.n_bytes > n_bytes
    wanted = [(3, segment) for segment in collection.segments]
    assert collection.postings is not None
    expected = [as_lists(p) for p in collection.postings.read_each(wanted, 0)]
    assert [as_lists(p) for p in newest.read(wanted, 0)] == expected


def test_what_does_not_fit_is_read(made: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(3000)
    collection, kept = opened(made, cache)
    kept._read_first()
    kept._read_second()
    assert cache.n_bytes <= cache.capacity
    wanted = [(f, segment) for f in range(made.n_features) for segment in collection.segments]
    assert collection.postings is not None
    for tier in range(N_TIERS):
        expected = [as_lists(p) for p in collection.postings.read_each(wanted, tier)]
        assert [as_lists(p) for p in kept.read(wanted, tier)] == expected
        assert cache.n_bytes <= cache.capacity
    monkeypatch.setattr(tiers, "FEATURES_AT_ONCE", 2)
    roomy = Cache(ROOM)
    _, kept = opened(made, roomy)
    kept._read_second()
    assert roomy.n_bytes > 0


def test_second_tiers_of_which_few_would_fit_are_left_alone(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiers, "FEATURES_AT_ONCE", 2)
    monkeypatch.setattr(tiers, "LIST_SHARE", 1)
    roomy = Cache(ROOM)
    _, kept = opened(made, roomy)
    kept._read_second()
    few = Cache(roomy.n_bytes)  # a share of which is a quarter of them
    _, kept = opened(made, few)
    kept._read_second()
    assert 0 < few.n_bytes < roomy.n_bytes / 8


def test_a_long_list_is_kept_when_it_is_asked_for_again(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiers, "LONG", 3)
    cache = Cache(ROOM)
    collection, kept = opened(made, cache)
    wanted = [(2, collection.segments[0])]
    sizes = []
    for _ in range(3):
        (found,) = kept.read(wanted, 1)
        assert len(found) > 3
        sizes.append(cache.n_bytes)
    assert sizes[0] == tiers.LEAST_BYTES < sizes[1] == sizes[2]


def asked(made: MadeLake, feature: int, where: str | None, k: int = 6) -> TokensQuery:
    return TokensQuery(collection=str(made.name), expression=str(feature), where=where, k=k)


@pytest.mark.parametrize("cache_bytes", [5000, ROOM])
def test_answers_are_the_same_from_memory_and_from_files(made: MadeLake, cache_bytes: int) -> None:
    engine = Engine(made.lake.uri, cache_bytes=cache_bytes)
    grown = made
    for step in range(4):
        cold = Engine(made.lake.uri)
        expected = {
            (f, w, k): cold.ask(asked(made, f, w, k)).read_all()
            for f in range(3)
            for w in FILTERS
            for k in (2, 20)
        }
        for _ in range(PATIENCE):
            for (f, w, k), answer in expected.items():
                assert engine.ask(asked(made, f, w, k)).read_all() == answer
            settled(engine)
        cache = engine._session.cache
        assert cache.n_bytes <= cache.capacity
        if step == 0:
            grown = add_documents(grown, 20)
        if step == 1:
            delete_documents(made.lake, made.name.corpus, ids=["d2", "d7", "d95"])
            index(made.lake, made.name)
        if step == 2:
            compact(made.lake, made.name.corpus)
        time.sleep(fresh.FRESH_S + 0.1)


def test_a_question_of_what_is_kept_reads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fresh, "FRESH_S", 3600.0)
    made = make_lake(tmp_path / "lake", n_documents=90, n_fragments=4, n_indexed=4)
    engine = Engine(made.lake.uri)
    queries = [asked(made, f, w) for f in range(made.n_features) for w in FILTERS]
    expected = [engine.ask(query).read_all() for query in queries]
    settled(engine)
    for query in queries:  # what was wished for meanwhile, and what is made of it
        engine.ask(query).read_all()
    settled(engine)
    shutil.rmtree(tmp_path / "lake")
    unheard = [replace(q, where=f"({q.where}) OR length < 0") for q in queries if q.where]
    assert [engine.ask(query).read_all() for query in queries] == expected
    new = [answer for q, answer in zip(queries, expected, strict=True) if q.where]
    assert [engine.ask(query).read_all() for query in unheard] == new
