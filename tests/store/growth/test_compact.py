"""Compacting changes no answer, takes what is deleted out for good, and loses no race."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saelake
from saelake.store.documents.documents import Documents
from saelake.store.errors import Conflict, NotFound
from saelake.store.format.activations import KeptDtype
from saelake.store.growth import compact_codes as codes_module
from saelake.store.growth import compact_documents as documents_module
from saelake.store.growth.compact import compact
from saelake.store.growth.compact_codes import CODES_ROWS, Extent, codes_groups
from saelake.store.growth.compact_documents import last_small
from saelake.store.growth.delete import delete_documents
from saelake.store.growth.index import index
from saelake.store.index.vectors import Vectors, write_vectors
from saelake.store.lake.lake import Lake
from saelake.store.reports import Compacted
from saelake.store.snapshot.collection import Collection
from saelake.store.tables.changes import Fragment
from saelake.store.tables.drafts import ROWS_PER_FRAGMENT
from saelake.store.tables.tables import Table
from tests.lakes import (
    MadeLake,
    add_dictionary,
    add_documents,
    encode_documents,
    keep_activations,
    make_lake,
)


def answers(lake: Lake) -> list[list[Any]]:
    reviews = saelake.connect(lake.uri)["made/random"]
    codes = reviews.codes().read_all().sort_by([("doc", "ascending"), ("position", "ascending")])
    return [
        codes.to_pylist(),
        [list(reviews.tokens(feature, k=None)) for feature in range(12)],
        list(reviews.similar(features={1: 1.0, 2: 1.0}, k=10)),
    ]


def extents(sizes: list[tuple[int, int]]) -> list[Extent]:
    """Fragments of these numbers of rows, each some documents after the one before."""
    made, start = [], 0
    for number, (n_rows, gap) in enumerate(sizes, 1):
        start += gap
        fragment = Fragment(id=number, n_rows=n_rows)
        made.append(Extent(fragment=fragment, start=start, stop=start + n_rows))
        start += n_rows
    return made


@given(
    st.lists(st.tuples(st.integers(1, CODES_ROWS), st.sampled_from([0, 0, 0, 7])), max_size=40),
    st.randoms(),
)
def test_only_neighbours_become_one_and_only_once(
    sizes: list[tuple[int, int]], random: Random
) -> None:
    given_extents = extents(sizes)
    shuffled = sorted(given_extents, key=lambda _: random.random())
    groups = codes_groups(shuffled)
    merged: list[Extent] = []
    for group in groups:
        assert len(group) > 1
        assert sum(e.fragment.n_rows for e in group) <= CODES_ROWS
        assert all(a.stop == b.start for a, b in pairwise(group))
        rows = Fragment(id=1000 + len(merged), n_rows=sum(e.fragment.n_rows for e in group))
        merged.append(Extent(fragment=rows, start=group[0].start, stop=group[-1].stop))
    taken = [extent for group in groups for extent in group]
    assert len(taken) == len({extent.fragment.id for extent in taken})
    assert codes_groups([*merged, *(e for e in given_extents if e not in taken)]) == []


def test_a_fragment_with_deleted_documents_is_a_group() -> None:
    alone = Extent(fragment=Fragment(id=1, n_rows=5), start=0, stop=5, n_deleted=2)
    assert codes_groups([alone]) == [(alone,)]


def test_documents_are_merged_at_the_end_of_their_table_only() -> None:
    large = ROWS_PER_FRAGMENT
    fragments = [Fragment(id=i, n_rows=n) for i, n in enumerate([5, large, 3, 4], 1)]
    assert [fragment.id for fragment in last_small(fragments)] == [3, 4]
    assert last_small(fragments[:3]) == ()


def test_compacting_changes_no_answer(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=60, n_fragments=12, n_indexed=9)
    grown = add_documents(made, 7)
    before = answers(made.lake)
    snapshot = Collection(made.lake, made.name)
    lists = [snapshot.posting_list(feature).doc.tolist() for feature in range(12)]
    codes, documents = compact(grown.lake, "made")
    assert codes == Compacted(table="made/random", n_before=13, n_after=1, n_removed=0)
    assert documents == Compacted(table="made", n_before=2, n_after=1, n_removed=0)
    assert answers(made.lake) == before
    assert [snapshot.posting_list(feature).doc.tolist() for feature in range(12)] == lists
    assert Collection(made.lake, made.name).unindexed == ()
    assert saelake.connect(made.lake.uri).verify().ok
    again = compact(grown.lake, "made")
    assert [(c.n_before, c.n_after) for c in again] == [(1, 1), (1, 1)]


def test_what_is_deleted_is_gone(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=40, n_fragments=4, n_indexed=4, tokens=(1, 12))
    second = add_dictionary(made, "other")
    Table.open(made.lake.documents("made")).index_words("text")
    every = np.arange(40, dtype=np.uint64)
    vectors = np.eye(40, dtype=np.float32)
    halves = [(docs, vectors[docs]) for docs in np.array_split(every, 2)]
    write_vectors(made.lake.vectors("made"), 40, "model", halves)
    delete_documents(made.lake, "made", where="doc < 10")
    delete_documents(made.lake, "made", ids=["d33"])
    gone = [*range(10), 33]
    before = answers(made.lake)
    done = compact(made.lake, "made")
    assert [c.n_removed for c in done] == [11, 11, 11]
    assert answers(made.lake) == before
    for each in (made, second):
        table = Table.open(each.lake.codes(each.name))
        rows = pa.Table.from_batches(table.scan(table.schema.names)).to_pylist()
        assert [row["doc"] for row in rows] == list(range(40))
        for row in rows:
            assert (row["error"] == "deleted") == (row["doc"] in gone)
            assert bool(row["token_ids"]) == (row["doc"] not in gone)
    documents = Documents.open(made.lake, "made")
    rows = documents.take(every, ["doc", "id", "text", "label", "length"]).to_pylist()
    for row in rows:
        nothing = {"doc": row["doc"], "id": None, "text": "", "label": None, "length": None}
        assert (row == nothing) == (row["doc"] in gone)
    assert documents.n_deleted == 11
    found = documents.table.search_words("text", "rain", 40, columns=["doc"], where=None)
    assert set(found["doc"].to_pylist()) == {
        doc for doc, words in enumerate(made.words) if "rain" in words and doc not in gone
    }
    kept = Vectors.open(made.lake.vectors("made"))
    assert kept is not None
    assert kept.rows.tolist() == [doc for doc in range(40) if doc not in gone]
    assert saelake.connect(made.lake.uri).verify().ok
    assert [c.n_removed for c in compact(made.lake, "made")] == [0, 0, 0]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_kept_activations_of_deleted_documents_are_gone(tmp_path: Path, dtype: KeptDtype) -> None:
    made = make_lake(tmp_path, n_documents=6, n_fragments=1)
    rows = keep_activations(made, dtype)
    delete_documents(made.lake, "made", ids=["d1"])
    compact(made.lake, "made")
    after = Table.open(made.lake.activations(made.name))
    assert [f.n_rows for f in after.fragments] == [3, 3]
    found = pa.Table.from_batches(after.scan(after.schema.names)).to_pylist()
    empty = {"n_tokens": 0, "positions": [], "token_ids": [], "vectors": [], "error": "deleted"}
    rows[1] |= empty
    assert found == [{"error": None, **row} for row in rows]


def test_statistics_forget_the_deleted_with_the_index_after(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=40, n_fragments=4, n_indexed=4, tokens=(1, 12))
    delete_documents(made.lake, "made", where="doc < 10")
    features = saelake.connect(made.lake.uri)["made/random"].features
    counted = {f.feature: f.document_frequency for f in features(k=None)}
    compact(made.lake, "made/random")
    fires = np.nan_to_num(made.embeddings()).astype(bool)
    expected = dict(enumerate(fires[10:].sum(axis=0).tolist()))
    assert {f.feature: f.document_frequency for f in features(k=None)} == expected != counted


def test_growth_after_compacting(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=20, n_fragments=4, n_indexed=4)
    delete_documents(made.lake, "made", ids=["d5"])
    compact(made.lake, "made")
    grown = add_documents(made, 4, encoded=False)
    delete_documents(made.lake, "made", ids=["d21"])
    grown = encode_documents(grown, range(20, 24))
    index(made.lake, made.name)
    compact(made.lake, "made")
    docs = {hit["doc"] for hit in answers(made.lake)[0]}
    assert {5, 21} & docs == set()
    assert {20, 22, 23} <= docs
    assert saelake.connect(made.lake.uri).verify().ok


def test_documents_with_others_between_them_are_not_merged(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=20, n_fragments=2, n_indexed=2)
    grown = add_documents(made, 10, encoded=False)
    for docs in (range(20, 22), range(26, 28), range(28, 30)):
        grown = encode_documents(grown, docs)
    compact(made.lake, "made")
    assert len(Table.open(made.lake.codes(made.name)).fragments) == 2  # 0 to 22, and 26 to 30
    encode_documents(grown, range(22, 26))
    assert saelake.connect(made.lake.uri).verify().ok
    compact(made.lake, "made")
    assert len(Table.open(made.lake.codes(made.name)).fragments) == 1
    assert saelake.connect(made.lake.uri).verify().ok


def overtake(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, event: Callable[[], object]
) -> None:
    """Let `event` happen once, before the first call of a function."""
    function = getattr(module, name)

    def overtaken(*arguments: object) -> object:
        monkeypatch.setattr(module, name, function)
        event()
        return function(*arguments)

    monkeypatch.setattr(module, name, overtaken)


def test_of_two_compactions_one_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_lake(tmp_path, n_documents=20, n_fragments=5, n_indexed=5)
    before = answers(made.lake)
    overtake(monkeypatch, codes_module, "_rewritten", lambda: compact(made.lake, "made/random"))
    (done,) = compact(made.lake, "made/random")
    assert (done.n_before, done.n_after) == (1, 1)
    assert answers(made.lake) == before


def test_encoding_goes_on_while_codes_are_compacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_lake(tmp_path, n_documents=20, n_fragments=5, n_indexed=5)
    grown = add_documents(made, 5, encoded=False)
    overtake(
        monkeypatch, codes_module, "_rewritten", lambda: encode_documents(grown, range(20, 25))
    )
    (done,) = compact(made.lake, "made/random")
    assert (done.n_before, done.n_after) == (5, 2)
    assert Collection(made.lake, made.name).codes.locations.n_documents == 25
    assert saelake.connect(made.lake.uri).verify().ok


def test_an_import_meanwhile_stops_the_compaction_of_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_lake(tmp_path, n_documents=20)
    grown = add_documents(made, 3)
    overtake(monkeypatch, documents_module, "_n_named", lambda: add_documents(grown, 2))
    with pytest.raises(Conflict, match=r"imported or compacted.* at the same time"):
        compact(made.lake, "made")
    assert compact(made.lake, "made")[-1].n_after == 1


def test_what_there_is_not_cannot_be_compacted(tmp_path: Path) -> None:
    made: MadeLake = make_lake(tmp_path, n_documents=5, n_fragments=1)
    for target in ("nowhere", "made/nothing"):
        with pytest.raises(NotFound):
            compact(made.lake, target)
