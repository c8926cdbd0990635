"""Passages are what they are cut from, and the analyses benchmark asks them what it should."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.analyses.analyses import PARTS, tables
from benchmarks.analyses.bandwidth import Bandwidth
from benchmarks.analyses.nearest import Marks, Truth, questions, race
from benchmarks.analyses.overall import check_same
from benchmarks.analyses.passages import LEAST, Origin, Passages, make_passages
from benchmarks.analyses.rows import Rows
from benchmarks.analyses.searchers import Answer, Approximate, Exact, K, SciPy, Searcher
from benchmarks.analyses.subject import ALL, Subject, as_blocks
from benchmarks.analyses.trial import Conditions, Trial
from benchmarks.common.report import Cell, Table
from saelake.store.engine import Engine
from saelake.store.errors import DictionaryMismatch, InvalidInput
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.tokens import TokensQuery
from saelake.store.requests.verify import VerifyQuery
from tests.lakes import MadeLake, make_lake

N_TOKENS = 4
OTHER = CollectionName("other", "random")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[MadeLake]:
    first, other = (tmp_path_factory.mktemp(name) for name in ("first", "other"))
    return [
        make_lake(first, seed=1, n_documents=30, tokens=(0, 21), failed=[(3, 0)]),
        make_lake(other, seed=2, n_documents=25, tokens=(0, 21), name=OTHER),
    ]


@pytest.fixture(scope="module")
def subject(sources: list[MadeLake], tmp_path_factory: pytest.TempPathFactory) -> Subject:
    lake = Lake(str(tmp_path_factory.mktemp("passages") / "lake"))
    name = make_passages(lake, origins(sources), n_tokens=N_TOKENS)
    return Subject.of_passages(Origin(lake, name))


def origins(sources: list[MadeLake]) -> list[Origin]:
    return [Origin(made.lake, made.name) for made in sources]


def expected(made: MadeLake) -> Iterator[tuple[str, str, npt.NDArray[np.float32]]]:
    """By brute force: id, text and pooled codes of each passage of a made lake."""
    for doc, codes in made.tokens().items():
        for at in range(0, len(codes), N_TOKENS):
            words = made.words[doc][at : at + N_TOKENS]
            if len(words) >= LEAST * N_TOKENS:
                pooled = codes[at : at + N_TOKENS].max(axis=0)
                yield f"{made.name.corpus}/d{doc}/{at}", " ".join(words), pooled


def dense(rows: Rows) -> npt.NDArray[np.float32]:
    found = np.zeros((len(rows), int(rows.d_sae)), np.float32)
    for row in range(len(rows)):
        span = slice(rows.offsets[row], rows.offsets[row + 1])
        found[row, rows.features[span]] = rows.values[span]
    return found


def test_passages_are_the_sources_tokens_texts_and_codes(
    subject: Subject, sources: list[MadeLake]
) -> None:
    whole = {name: (text, pooled) for made in sources for name, text, pooled in expected(made)}
    rows = subject.rows()
    documents = subject.origin.open().documents.take(rows.docs, ["id", "text", "source", "label"])
    assert set(documents["id"].to_pylist()) == set(whole)
    by_corpus = {made.name.corpus: made for made in sources}
    for told, codes in zip(documents.to_pylist(), dense(rows), strict=True):
        text, pooled = whole[told["id"]]
        assert told["text"] == text
        np.testing.assert_array_equal(codes, pooled)
        source, doc, _ = told["id"].split("/")
        assert told["source"] == source
        assert told["label"] == by_corpus[source].labels[int(doc[1:])]


def test_a_lake_of_passages_verifies_and_shows_its_tokens(subject: Subject) -> None:
    engine = Engine(subject.uri)
    checks = engine.ask(VerifyQuery()).read_all().to_pylist()
    assert all(check["ok"] for check in checks), checks
    query = TokensQuery(collection=subject.name, expression="3", k=None)
    hits = engine.ask(query).read_all().to_pylist()
    assert hits
    for hit in hits:
        shown = hit["text"][hit["token_start"] :][: hit["token_length"]]
        assert shown == hit["token"] != ""


@pytest.mark.parametrize("n", [1, 7, 40])
def test_a_cap_takes_the_first_passages(
    sources: list[MadeLake], subject: Subject, n: int, tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path))
    name = make_passages(lake, origins(sources), n_tokens=N_TOKENS, n_documents=n)
    capped, whole = Subject.of_passages(Origin(lake, name)).rows(), subject.rows()
    assert len(capped) == n
    np.testing.assert_array_equal(dense(capped), dense(whole.first(n)))


def test_sources_take_turns_and_a_seed_decides_the_columns(sources: list[MadeLake]) -> None:
    collections = [origin.open() for origin in origins(sources)]
    columns = []
    for seed in (5, 5, 6):
        batches = list(Passages(collections, N_TOKENS, seed=seed).batches())
        assert {batch.rows["source"][0].as_py() for batch in batches[:2]} == {"made", "other"}
        columns.append([batch.rows["shelf"].to_pylist() for batch in batches])
    assert columns[0] == columns[1] != columns[2]


def test_sources_of_other_dictionaries_are_refused(sources: list[MadeLake], tmp_path: Path) -> None:
    stranger = make_lake(tmp_path / "stranger", name=CollectionName("made", "stranger"))
    with pytest.raises(DictionaryMismatch):
        make_passages(Lake(str(tmp_path / "new")), origins([sources[0], stranger]))


def test_a_source_is_a_lake_and_a_collection() -> None:
    assert Origin.parse("s3://bucket/lake:a/b") == Origin(
        Lake("s3://bucket/lake"), CollectionName("a", "b")
    )
    with pytest.raises(InvalidInput, match="LAKE:CORPUS/DICTIONARY"):
        Origin.parse("a/b")


def test_rows_are_read_back_and_cut(subject: Subject, tmp_path: Path) -> None:
    rows = subject.rows()
    rows.save(tmp_path / "rows")
    np.testing.assert_array_equal(dense(Rows.load(tmp_path / "rows")), dense(rows))
    np.testing.assert_array_equal(dense(rows.first(9)), dense(rows)[:9])
    lengths = np.linalg.norm(dense(rows), axis=1)
    np.testing.assert_allclose(rows.lengths, np.where(lengths > 0, lengths, 1), rtol=1e-6)
    assert [len(block) for block in as_blocks(rows)] == [len(rows)]
    halves = subject.origin.open().documents.take(rows.docs, ["half"])["half"].to_pylist()
    assert rows.half.tolist() == [half == 0 for half in halves]


def nearest_by_hand(rows: Rows, row: int, keep: npt.NDArray[np.bool_]) -> set[int]:
    """The documents as near as the tenth, by definition."""
    whole = dense(rows).astype(np.float64)
    length = np.maximum(np.linalg.norm(whole, axis=1), 1e-30)
    cosine = whole @ whole[row] / (length * length[row])
    cosine[row] = -1
    cosine[~keep] = -1
    least = np.sort(cosine)[-K]
    return set(rows.docs[cosine >= max(least - 1e-6, 1e-12)].tolist())


@pytest.mark.parametrize("kind", [Exact, Approximate, SciPy])
def test_searchers_find_the_nearest(subject: Subject, kind: type[Exact]) -> None:
    rows = subject.rows()
    searcher: Searcher = kind(rows)
    truth = Truth(Exact(rows))
    for kept in subject.filters():
        keep = np.ones(len(rows), np.bool_) if kept.mask is None else kept.mask[rows.docs]
        asked, _ = questions(rows, 10, seed=3)
        for row in asked:
            right = nearest_by_hand(rows, row, keep)
            assert truth.of(row, kept) == right
            found = searcher.nearest(row, kept).docs
            assert len(found) == min(K, len(right))
            assert right.issuperset(found)


def test_recall_and_times_are_those_of_the_answers() -> None:
    marks = Marks()
    right = frozenset(range(K))
    marks.add("a", Answer(tuple(range(K)), 0.001), right)
    marks.add("a", Answer(tuple(range(K // 2, K + K // 2)), 0.003), right)
    row = marks.row("a")
    assert row["recall@10"] == 0.75
    assert row["p50 ms"] == pytest.approx(2)
    assert row["questions/s"] == pytest.approx(500)


def test_a_race_asks_everyone_and_leaves_out_the_warm_up(subject: Subject) -> None:
    rows = subject.rows()
    exact = Exact(rows)
    asked, tuning = questions(rows, 20, seed=0)
    assert not set(asked) & set(tuning)
    marks = race([exact, SciPy(rows)], asked, ALL, Truth(exact))
    assert {name: len(seconds) for name, seconds in marks.seconds.items()} == {
        "saelake, exact": 20,
        "SciPy": 20,
    }


def test_answers_that_differ_are_noticed() -> None:
    one = {"feature": np.array([1, 2]), "a": np.array([0.5, 0.25])}
    same = {"feature": np.array([2, 1]), "a": np.array([0.25, 0.5])}
    other = {"feature": np.array([2, 1]), "a": np.array([0.25, 0.75])}
    check_same(one, same, keys=("feature",), values=("a",), tolerance=0)
    with pytest.raises(AssertionError):
        check_same(one, other, keys=("feature",), values=("a",), tolerance=0.1)


@pytest.fixture(scope="module")
def made(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[Table]]:
    """Every table of the benchmark, at toy size and without peers."""
    conditions = Conditions(
        n_questions=20,
        rounds=1,
        n_cores=1,
        seed=0,
        bandwidth=Bandwidth.measured(1 << 22),
        peers_python=None,
        milvus_documents=20,
    )
    trial = Trial.of(subject, tmp_path_factory.mktemp("trial"), conditions)
    return {name: list(tables(trial, [name])) for name in PARTS}


def number(cell: Cell) -> float:
    assert isinstance(cell, int | float)
    return cell


@pytest.mark.slow
def test_the_benchmark_runs_without_peers(made: Mapping[str, list[Table]]) -> None:
    assert {name: len(each) for name, each in made.items()} == {
        "similar": 3,
        "milvus": 0,
        "diff": 1,
        "npmi": 1,
        "clusters": 1,
    }
    whole, alone, before = made["similar"]
    for row in (*whole.rows, *alone.rows):
        assert number(row["recall@10"]) >= (0.9 if row[""] == Approximate.name else 1)
    assert {row["kept"] for row in alone.rows} == {"all", "50 %", "1 %"}
    assert [row[""] for row in before.rows] == ["saelake", "SciPy"]
    for name in ("diff", "npmi", "clusters"):
        for row in made[name][0].rows:
            assert number(row["peak MiB"]) > number(row["above imports"]) > 0
            assert number(row["MB to move"]) > 0
