"""Postings of an earlier saelake, whose later tiers are lists: read, verified, merged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saelake.store.engine import Engine
from saelake.store.growth import merging
from saelake.store.growth.index import index
from saelake.store.health.index import compared
from saelake.store.index import layout, merge
from saelake.store.index.others import MOST_OTHERS
from saelake.store.index.segments import Segment
from saelake.store.query.parts import lists, search
from saelake.store.requests.tokens import TokensQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table
from tests.lakes import MadeLake, add_documents, list_postings, make_lake


@pytest.fixture(autouse=True)
def _short_tiers(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (layout, merge, search, lists):
        monkeypatch.setattr(module, "TIERS", (4, 8))
    monkeypatch.setattr(layout, "BANDS", (20,))
    monkeypatch.setattr(merging, "MOST_SEGMENTS", 0)


def _answers(made: MadeLake) -> list[list[dict[str, object]]]:
    asked = ("3", "3 & 4", "(3 | 5) & !7", "2 > 1 & 3")
    return [
        Engine(made.lake.uri)
        .ask(TokensQuery(collection=str(made.name), expression=each, k=None, per="token"))
        .read_all()
        .to_pylist()
        for each in asked
    ]


def _is_sound(made: MadeLake) -> bool:
    rows = Engine(made.lake.uri).ask(VerifyQuery(collection=str(made.name))).read_all()
    return all(rows["ok"].to_pylist())


def test_lists_are_read_verified_and_merged_into_bytes(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=90, n_fragments=3, n_indexed=3)
    before = _answers(made)
    list_postings(made)
    collection = Collection(made.lake, made.name)
    assert not any(segment.is_packed for segment in collection.segments)
    assert collection.postings is not None
    assert "packed" not in collection.postings.table.schema.names
    assert _answers(made) == before
    assert _is_sound(made)
    index(made.lake, made.name)  # nothing is new: what is there stays as it is
    assert not any(s.is_packed for s in Collection(made.lake, made.name).segments)
    assert _answers(made) == before
    grown = add_documents(made, 40)
    with_new = _answers(grown)
    index(made.lake, made.name)
    (segment,) = Collection(made.lake, made.name).segments
    assert segment.is_packed
    assert _answers(grown) == with_new
    assert _is_sound(grown)


def test_a_merge_keeps_what_only_some_segments_know(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=60, n_fragments=2, n_indexed=2)
    list_postings(made)
    grown = add_documents(made, 30)
    index(made.lake, made.name)
    collection = Collection(made.lake, made.name)
    found = [b for bands in collection.bands([(3, collection.segments[0])], 1) for b in bands]
    doc, count = found[0].postings().doc, found[0].others().count
    assert set(doc[count > MOST_OTHERS] >= 60) <= {False}
    assert set(doc[count <= MOST_OTHERS] < 60) <= {False}
    assert _is_sound(grown)


def test_other_tokens_that_are_wrong_are_found(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=60, n_fragments=1, n_indexed=1)
    collection = Collection(made.lake, made.name)
    assert [each.agrees for each in compared(collection)] == [True]
    assert collection.postings is not None
    table, (segment,) = collection.postings.table, collection.segments
    merger = merge.SegmentMerger(table=table, memory_bytes=1 << 20)
    (block,) = _blocks(merger, segment)
    listed = int(np.flatnonzero(block.others.level < 15)[0])
    block.others.level[listed] += 1
    rows = [*block.batches(table.schema, segment.covers), layout.last_row(table.schema)]
    draft = table.write(rows, one_fragment=True)
    table.commit(lambda _: Change(add=draft, remove=(segment.fragment,)))
    assert [each.agrees for each in compared(Collection(made.lake, made.name))] == [False]


def _blocks(merger: merge.SegmentMerger, segment: Segment) -> list[layout.PostingsBlock]:
    kept: list[layout.PostingsBlock] = []
    with pytest.MonkeyPatch.context() as patch:
        original = merge.SegmentMerger._block

        def block(self: merge.SegmentMerger, *asked: Any) -> layout.PostingsBlock:
            kept.append(original(self, *asked))
            return kept[-1]

        patch.setattr(merge.SegmentMerger, "_block", block)
        merger([segment])
    return kept


def test_an_earlier_saelake_takes_packed_segments_for_none(tmp_path: Path) -> None:
    """They have a row more, as whoever cannot read them looks at how many there are."""
    made = make_lake(tmp_path, n_fragments=1, n_indexed=1)
    table = Table.open(made.lake.postings(made.name))
    assert [fragment.n_rows for fragment in table.fragments] == [3 * made.n_features + 1]
