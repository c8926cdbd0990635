"""Segments, statistics and checks, against everything that is in a lake."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import saelake
from saelake.store.engine import Engine
from saelake.store.errors import Conflict, Corrupt, NotFound
from saelake.store.format.histogram import bin_edges
from saelake.store.growth import count as counting
from saelake.store.growth import index as indexing
from saelake.store.growth.count import Counting
from saelake.store.growth.index import index, stale
from saelake.store.growth.merging import MOST_SEGMENTS
from saelake.store.health.repair import repair
from saelake.store.index.segments import PostingsTable, Segment
from saelake.store.requests.features import FeatureOrder, FeaturesQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.tables.changes import Fragment
from saelake.store.tables.tables import Table, drop, overwrite, read
from tests.indexed import all_is_well, assert_indexed_right, best, replace_codes
from tests.lakes import Code, MadeLake, add_documents, make_lake

NAME = "made/random"


def test_posting_lists_are_those_of_the_codes(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=50, n_fragments=5, n_indexed=0)
    assert_indexed_right(made)  # all scanned
    index(made.lake, made.name)
    assert Collection(made.lake, made.name).unindexed == ()
    assert_indexed_right(made)  # all indexed


@pytest.mark.parametrize(
    ("memory_bytes", "n_segments"), [(1, 4), (2000, 4), (5000, 1), (10_000, 1), (1 << 30, 1)]
)
def test_of_memory_for_all_documents_comes_one_segment(
    tmp_path: Path, memory_bytes: int, n_segments: int
) -> None:
    """A list is merged in memory: with room for 52 postings one has 50 documents, with 20 not."""
    made = make_lake(tmp_path, n_documents=50, n_fragments=4, n_indexed=0)
    report = index(made.lake, made.name, memory_bytes=memory_bytes)
    assert (report.n_documents, report.n_segments) == (50, n_segments)
    assert_indexed_right(made)
    assert all(
        check["ok"] for check in Engine(made.lake.uri).ask(VerifyQuery()).read_all().to_pylist()
    )


def test_a_lake_that_grows_keeps_few_segments(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=60, n_fragments=30, n_indexed=30)
    collection = Collection(made.lake, made.name)
    assert 1 < len(collection.segments) <= MOST_SEGMENTS
    assert collection.unindexed == ()
    assert_indexed_right(made)


@pytest.mark.parametrize(("bound", "most"), [("POSTINGS_PER_BLOCK", 20), ("FEATURES_PER_BLOCK", 5)])
def test_blocks_of_features_make_one_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(f"saelake.store.index.segment_rows.{bound}", most)
    made = make_lake(tmp_path, n_documents=40, n_fragments=1, n_indexed=1)
    assert len(Collection(made.lake, made.name).segments) == 1
    assert_indexed_right(made)


def test_indexing_that_was_killed_as_it_made_the_statistics_goes_on(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_indexed=3)
    features = Table.open(made.lake.features(made.name))
    expected = read(features.uri)
    drop(features.uri)
    Table.open_or_create(features.uri, features.schema)  # and there are no rows yet
    (problem,) = saelake.connect(made.lake.uri).verify().problems
    assert problem.check == "feature statistics agree with the codes"
    index(made.lake, made.name)
    assert read(features.uri).equals(expected)
    assert_indexed_right(made)


def test_indexing_again_does_nothing(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_indexed=3)
    before = Table.open(made.lake.postings(made.name)).version
    report = index(made.lake, made.name)
    assert (report.n_documents, report.n_postings) == (0, 0)
    assert Table.open(made.lake.postings(made.name)).version == before


def count_scanned(monkeypatch: pytest.MonkeyPatch, uri: str) -> list[int]:
    """Where the numbers of rows will be that are read of a table."""
    scan, found = Table.scan, []

    def counted(table: Table, *arguments: Any, **options: Any) -> Iterator[pa.RecordBatch]:
        for batch in scan(table, *arguments, **options):
            found.extend([batch.num_rows] if table.uri.endswith(Path(uri).name) else [])
            yield batch

    monkeypatch.setattr(Table, "scan", counted)
    return found


def test_indexing_reads_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_lake(tmp_path, n_documents=200, n_fragments=1, n_indexed=1)
    for portion in range(12):
        made = add_documents(made, 5, seed=portion)
        scanned = count_scanned(monkeypatch, made.lake.codes(made.name))
        index(made.lake, made.name)
        monkeypatch.undo()
        # Where documents are, their postings, their statistics; segments are merged without codes.
        assert sum(scanned) <= 3 * 5
    assert_indexed_right(made)


@pytest.mark.parametrize("n_indexed", [0, 4])
def test_of_two_indexers_one_covers_each_fragment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_indexed: int
) -> None:
    made = make_lake(tmp_path, n_documents=40, n_fragments=4, n_indexed=n_indexed)
    if n_indexed:  # all postings are of codes that are gone
        replace_codes(made, lambda rows: rows.sort_by("doc"))
    commit = indexing._Committer.commit

    def overtaken(self: indexing._Committer, *arguments: Any) -> None:
        monkeypatch.setattr(indexing._Committer, "commit", commit)
        index(made.lake, made.name)  # another indexer, between writing and committing
        commit(self, *arguments)

    monkeypatch.setattr(indexing._Committer, "commit", overtaken)
    index(made.lake, made.name)
    covers = [i for s in Collection(made.lake, made.name).segments for i in s.covers]
    assert len(covers) == len(set(covers))
    assert_indexed_right(made)


@pytest.mark.parametrize("by", ["another indexer", "a writer of codes", "the first of two"])
def test_a_merge_that_comes_too_late_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """Its segments were merged already, or would take valid postings along with others' codes."""
    made = make_lake(tmp_path, n_documents=40, n_fragments=8, n_indexed=0)
    index(made.lake, made.name, memory_bytes=1)
    assert len(Collection(made.lake, made.name).segments) == 8
    replace = indexing._Committer.replace

    def overtaken(self: indexing._Committer, merged: Any) -> None:
        monkeypatch.setattr(indexing._Committer, "replace", replace)
        if by == "a writer of codes":
            replace_codes(made, lambda rows: rows.sort_by("doc"))
        else:
            index(made.lake, made.name)
        replace(self, merged)
        if by == "the first of two":
            replace(self, merged)

    monkeypatch.setattr(indexing._Committer, "replace", overtaken)
    index(made.lake, made.name)
    assert_indexed_right(made)
    n_expected = 8 if by == "a writer of codes" else 1
    assert len(Table.open(made.lake.postings(made.name)).fragments) == n_expected
    index(made.lake, made.name)
    assert len(Collection(made.lake, made.name).segments) == 1
    assert_indexed_right(made)
    all_is_well(made)


def test_an_indexer_killed_as_it_merges_leaves_the_segments_that_there_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_lake(tmp_path, n_documents=40, n_fragments=8, n_indexed=0)
    index(made.lake, made.name, memory_bytes=1)
    before = Collection(made.lake, made.name).segments

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("_block", "merged"):
        with monkeypatch.context() as patch:
            patch.setattr(f"saelake.store.index.merge.SegmentMerger.{name}", killed)
            with pytest.raises((KeyboardInterrupt, OSError)):  # Lance asks for rows in a thread
                index(made.lake, made.name)
        assert Collection(made.lake, made.name).segments == before
        assert_indexed_right(made)
    told: list[tuple[int, int]] = []
    index(made.lake, made.name, on_progress=lambda *counts: told.append(counts))
    assert told[-1] == (40, 40)
    assert_indexed_right(made)


def test_damaged_segments_are_not_merged_and_the_error_says_what_to_do(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=40, n_fragments=8, n_indexed=0)
    index(made.lake, made.name, memory_bytes=1)
    table = Table.open(made.lake.postings(made.name))
    file = Path(table.uri, "data", table.file_of(table.fragments[0].id))
    file.write_bytes(file.read_bytes()[:200] + b"x" * 200)
    with pytest.raises(Corrupt, match="saelake verify --repair"):
        index(made.lake, made.name)
    repair(made.lake)
    assert_indexed_right(made)


def test_top_tokens_are_looked_for_where_codes_are_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And are those of an index that is made at once."""
    made = make_lake(tmp_path, n_documents=40, n_features=60, density=0.02, n_indexed=3)
    grown = add_documents(made, 1)
    asked: list[int] = []
    strongest = PostingsTable.strongest

    def counted(postings: PostingsTable, features: Sequence[int]) -> Any:
        asked.extend(features)
        return strongest(postings, features)

    monkeypatch.setattr(PostingsTable, "strongest", counted)
    index(grown.lake, grown.name)
    assert asked == sorted({code.feature for code in grown.codes if code.doc == 40})
    assert 0 < len(asked) < 60
    found = read(grown.lake.features(grown.name))
    index(grown.lake, grown.name, renew_features=True)
    again = read(grown.lake.features(grown.name))
    assert found.drop(["sum", "mean"]).equals(again.drop(["sum", "mean"]))


def test_of_two_that_make_statistics_the_second_has_nothing_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_lake(tmp_path, n_documents=40, n_fragments=4, n_indexed=0)

    def overtaken(uri: str, rows: pa.Table) -> None:
        monkeypatch.setattr(counting, "overwrite", overwrite)
        index(made.lake, made.name)
        raise Conflict(f"{uri}: another writer replaced it at the same time.")

    monkeypatch.setattr(counting, "overwrite", overtaken)
    index(made.lake, made.name)
    assert vars(counting)["overwrite"] is overwrite
    assert_indexed_right(made)


def test_statistics_of_newer_codes_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An indexer that was slow leaves what another one knows of codes that came meanwhile."""
    made = make_lake(tmp_path, n_documents=40, n_fragments=4, n_indexed=0)
    stored = Counting._stored
    grown: list[MadeLake] = []

    def overtaken(slow: Counting) -> Any:
        monkeypatch.setattr(Counting, "_stored", stored)
        grown.append(add_documents(made, 5))
        index(made.lake, made.name)
        return stored(slow)

    monkeypatch.setattr(Counting, "_stored", overtaken)
    index(made.lake, made.name)
    assert_indexed_right(grown[0])
    assert saelake.connect(made.lake.uri).verify().ok


def test_statistics_are_those_of_the_codes(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=60, n_fragments=4, n_indexed=4, density=0.15)
    rows = Engine(made.lake.uri).ask(FeaturesQuery(collection=NAME, k=None, order="feature"))
    by_feature: dict[int, list[Code]] = defaultdict(list)
    for code in made.codes:
        by_feature[code.feature].append(code)
    n_tokens = sum(map(len, made.words))
    peaks = best(list(made.codes))
    for row in rows.read_all().to_pylist():
        codes = by_feature[row["feature"]]
        values = np.array([code.value for code in codes])
        assert row["token_frequency"] == len(codes)
        assert row["document_frequency"] == len({code.doc for code in codes})
        assert row["max"] == values.max()
        assert row["mean"] == pytest.approx(values.mean())
        assert row["sum"] == pytest.approx(values.sum())
        assert row["density"] == pytest.approx(len(codes) / n_tokens)
        assert row["histogram"] == np.histogram(values, bin_edges())[0].tolist()
        words = Counter(
            made.words[doc][position]
            for (feature, doc), (_, position) in peaks.items()
            if feature == row["feature"]
        )
        shown = {top["token"]: top["documents"] for top in row["top_tokens"]}
        assert list(shown.values()) == sorted(shown.values(), reverse=True)
        assert shown == {word: n for word, n in words.items() if word in shown}
        assert sum(shown.values()) == sum(n for _, n in words.most_common(len(shown)))


def test_statistics_do_not_depend_on_when_fragments_came(tmp_path: Path) -> None:
    tables = []
    for n_indexed in (1, 4):
        made = make_lake(tmp_path / str(n_indexed), n_fragments=4, n_indexed=n_indexed)
        index(made.lake, made.name)
        tables.append(read(made.lake.features(made.name)).drop(["sum", "mean"]))
    assert tables[0].equals(tables[1])


def test_orders_of_features(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_indexed=3)
    engine = Engine(made.lake.uri)
    columns: dict[FeatureOrder, str] = {
        "documents": "document_frequency",
        "tokens": "token_frequency",
        "max": "max",
    }
    for order, column in columns.items():
        query = FeaturesQuery(collection=NAME, k=None, order=order)
        rows = engine.ask(query).read_all().to_pylist()
        expected = sorted(rows, key=lambda row: (-row[column], row["feature"]))
        assert [row["feature"] for row in rows] == [row["feature"] for row in expected]


def test_without_an_index_there_are_no_statistics_but_answers(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_indexed=0)
    engine = Engine(made.lake.uri)
    with pytest.raises(NotFound, match="saelake index made/random"):
        engine.ask(FeaturesQuery(collection=NAME))
    hits = engine.ask(TokensQuery(collection=NAME, expression="1")).read_all()
    assert hits.num_rows > 0


def test_postings_of_codes_that_are_gone_are_not_read_and_then_replaced(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=40, n_fragments=4, n_indexed=4)
    assert Collection(made.lake, made.name).unindexed == ()
    n_before = len(Table.open(made.lake.postings(made.name)).fragments)
    replace_codes(made, lambda rows: rows.sort_by("doc"))
    stale = Collection(made.lake, made.name)
    assert (stale.segments, len(stale.unindexed)) == ((), 1)
    assert len(Table.open(made.lake.postings(made.name)).fragments) == n_before
    assert_indexed_right(made)
    index(made.lake, made.name)
    renewed = Collection(made.lake, made.name)
    assert (len(renewed.segments), renewed.unindexed) == (1, ())
    assert len(Table.open(made.lake.postings(made.name)).fragments) == 1
    assert_indexed_right(made)
    all_is_well(made)


def test_segments_that_were_built_together_are_merged_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier saelake left as many as memory made, and those that were large stayed."""
    monkeypatch.setattr("saelake.store.codes.table.SCAN_ROWS", 4)
    made = make_lake(tmp_path, n_documents=120, n_fragments=10, n_indexed=0)
    index(made.lake, made.name, memory_bytes=1)  # a segment for each 4 documents
    collection = Collection(made.lake, made.name)
    assert len(collection.segments) == 30
    assert len({segment.covers for segment in collection.segments}) == 10
    all_is_well(made)
    told: list[tuple[int, int]] = []
    report = index(made.lake, made.name, on_progress=lambda *counts: told.append(counts))
    assert (report.n_documents, report.n_postings, report.n_segments) == (0, 0, 1)
    assert told[-1] == (120, 120)
    assert_indexed_right(made)
    all_is_well(made)
    added = add_documents(made, 3)
    index(added.lake, added.name)
    assert_indexed_right(added)
    all_is_well(added)


def test_a_snapshot_leaves_the_postings_of_newer_codes_alone() -> None:
    fragments = [Fragment(id=i, n_rows=10) for i in (3, 5)]
    segments = [
        Segment(fragment=1, covers=(3,)),
        Segment(fragment=2, covers=(2, 5)),  # 2 is gone
        Segment(fragment=4, covers=(6,)),  # 6 came after this snapshot
    ]
    assert stale(fragments, segments) == (2,)
