"""The scale benchmark: rows of lakes that it makes, equal answers, honest counts, and failures."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from benchmarks.common.measure import Reads
from benchmarks.common.report import Cell, Table
from benchmarks.query.answering import DUCKDB, SAELAKE, Answering
from benchmarks.query.contenders import Saelake
from benchmarks.query.race import Question
from benchmarks.query.scale import by_length, run
from benchmarks.query.scale_rows import LEFT_OUT, MEASURED, Asking
from benchmarks.query.sizes import Made, Size, check_room
from saelake.store.lake.lake import Lake

SMALL, LARGE = 30_000, 60_000  # codes
N_COLD, N_WARM = 12, 15
ALONE = Asking(
    cold=N_COLD,
    warm=N_WARM,
    scans=2,
    threads=1,
    seed=0,
    duckdb_up_to=0,
    delphi_up_to=0,
    peers_python=None,
)
BOTH = replace(ALONE, duckdb_up_to=SMALL)


@dataclass(slots=True)
class Told:
    """What was published."""

    tables: list[Table] = field(default_factory=list)

    def __call__(self, tables: Sequence[Table], *, facts: dict[str, Cell]) -> None:
        assert facts["seed"] == 0
        self.tables += tables

    @property
    def rows(self) -> list[tuple[Cell, dict[str, Cell]]]:
        """The rows of the first table, by their contender."""
        return [(row[""], dict(row)) for row in self.tables[0].rows]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where lakes are kept for this module."""
    return tmp_path_factory.mktemp("scale")


def size(root: Path, n_codes: int = SMALL, *, given: Path | None = None, seed: int = 0) -> Size:
    return Size(root=root, n_codes=n_codes, mean_length=50, seed=seed, given=given)


@pytest.fixture(scope="module")
def told(root: Path) -> Told:
    """Both sizes; only the small one is asked of DuckDB too."""
    pytest.importorskip("duckdb")
    told = Told()
    assert run([size(root), size(root, LARGE)], BOTH, keep=True, told=told)
    return told


def test_there_is_a_row_for_each_contender_and_for_who_is_left_out(told: Told, root: Path) -> None:
    names = [SAELAKE, DUCKDB, SAELAKE, f"{DUCKDB}{LEFT_OUT}"]
    assert [name for name, _ in told.rows] == names
    *asked, (_, absent) = told.rows
    for _, row in asked:
        assert all(isinstance(row[column], float) for column in MEASURED)
    assert {absent[column] for column in MEASURED} == {None}
    for n_codes, row in ((SMALL, asked[0][1]), (LARGE, asked[2][1])):
        made = Made.of(size(root, n_codes).lake())
        assert made.n_codes == pytest.approx(n_codes, rel=0.5)
        assert row["M codes"] == made.n_codes / 1e6
        assert (row["documents"], row["segments"]) == (made.n_documents, "1")
        assert row["B a code"] == made.n_bytes / made.n_codes


def test_the_note_says_how_the_median_grows_and_who_is_left_out(told: Told) -> None:
    note = told.tables[0].note
    small, large = (float(row["p50 ms"] or 0) for name, row in told.rows if name == SAELAKE)
    assert f": {large / small:.2f} (the goal is at most 1.5)" in note
    assert f"DuckDB is left out beyond {SMALL:,} codes" in note


def test_making_is_told_too(told: Told) -> None:
    making = told.tables[1].rows
    assert [row["made"] for row in making] == ["lake", "duckdb", "lake"]
    assert all(float(row["peak MiB"] or 0) > 50 for row in making)


@pytest.mark.slow
def test_what_is_kept_is_whole_and_used_again(told: Told, root: Path) -> None:
    assert not list(root.rglob("*.part"))
    assert not list(root.rglob("*.parquet"))
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.lance/data/*")}
    again = Told()
    assert run([size(root)], BOTH, keep=True, told=again)
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*.lance/data/*")}
    columns = ("M codes", "documents", "segments", "B a code")
    for (_, one), (_, other) in zip(told.rows[:2], again.rows, strict=True):
        assert [one[column] for column in columns] == [other[column] for column in columns]


def test_what_is_half_made_is_made_again(tmp_path: Path) -> None:
    half = size(tmp_path).folder / "lake.part"
    half.mkdir(parents=True)
    (half / "rubbish").touch()
    lake = size(tmp_path).lake()
    assert Made.of(lake).n_unindexed == 0
    assert not half.exists()
    assert not (lake / "rubbish").exists()


@pytest.mark.slow
def test_what_is_not_kept_is_removed_and_a_given_lake_is_not(told: Told, root: Path) -> None:
    given = size(root).lake()
    files = sorted(given.rglob("*"))
    elsewhere = root / "elsewhere"
    again = Told()
    assert run([size(elsewhere, given=given)], BOTH, keep=False, told=again)
    assert [name for name, _ in again.rows] == [SAELAKE, DUCKDB]
    assert not list(elsewhere.iterdir())
    assert sorted(given.rglob("*")) == files


@pytest.mark.slow
def test_a_size_that_fails_has_a_row_and_the_others_are_measured(told: Told, root: Path) -> None:
    broken = root / "broken"
    shutil.copytree(size(root).lake(), broken)
    for path in broken.glob("*postings.lance/data/*"):
        path.write_bytes(b"")
    again = Told()
    sizes = [size(root, given=broken), size(root, LARGE)]
    assert not run(sizes, ALONE, keep=True, told=again)
    (failed, row), (name, found), _ = again.rows
    assert str(failed).startswith("failed, ")
    assert set(row) == set(found)
    assert name == SAELAKE
    assert str(root) not in str(failed)


@pytest.mark.slow
def test_answers_that_differ_fail(told: Told, root: Path) -> None:
    other = size(root, seed=1)
    other.lake()
    other.copy("duckdb", 1)
    mixed = root / "mixed"
    one = size(mixed, given=size(root).lake())
    shutil.copytree(other.folder / "duckdb", one.folder / "duckdb")
    again = Told()
    assert not run([one], BOTH, keep=True, told=again)
    ((failed, _),) = again.rows
    assert "differ on" in str(failed)


@pytest.mark.slow
def test_an_interrupted_run_tells_what_it_has(told: Told, root: Path) -> None:
    class Interrupted(Asking):
        def questions(self, lake: Path) -> list[Question]:
            if lake == size(root, LARGE).lake():
                raise KeyboardInterrupt
            return super().questions(lake)

    again = Told()
    asking = Interrupted(**{name: getattr(ALONE, name) for name in ALONE.__slots__})
    with pytest.raises(KeyboardInterrupt):
        run([size(root), size(root, LARGE)], asking, keep=True, told=again)
    assert [name for name, _ in again.rows] == [SAELAKE, f"{DUCKDB}{LEFT_OUT}"]


def test_a_process_of_its_own_answers_as_this_one_does(told: Told, root: Path) -> None:
    lake = size(root).lake()
    here = Saelake.embedded(str(lake), "synthetic/profile")
    answering = Answering("saelake", lake, 1)
    try:
        for feature in (3, 77, 4000):
            answered = answering.ask(feature, 20, 60)
            assert answered.hits == here.top(feature, 20, 60, None).to_pylist()
            assert answered.seconds > 0
        assert answering.peak_bytes > 50 << 20
    finally:
        answering.close()


def test_a_process_that_ends_is_named(tmp_path: Path) -> None:
    (tmp_path / "tables.duckdb").write_bytes(b"no database")
    pytest.importorskip("duckdb")
    with pytest.raises(RuntimeError, match="DuckDB ended with exit code 1"):
        Answering("duckdb", tmp_path, 1)


def test_reads_are_those_of_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1000))
    file = os.open(tmp_path / "file", os.O_RDONLY)
    try:
        first, second = Reads.of(os.getpid()), Reads.of(os.getpid())
        before = Reads.of(os.getpid())
        for at in range(10):
            os.pread(file, 7, at)
        found = Reads.of(os.getpid()) - before - (second - first)
    finally:
        os.close(file)
    assert found.calls == 10
    assert found.n_bytes == pytest.approx(70, abs=20)  # what says so is a few digits longer


def test_cold_questions_read_and_answers_in_memory_do_not(told: Told, root: Path) -> None:
    answering = Answering("saelake", size(root).lake(), 1)
    try:
        opened = answering.ask(5, 20, 60)
        assert opened.reads.calls >= 10  # the tables' states, then postings and documents
        assert opened.reads.n_bytes > 1000
        calls = (answering.ask(5, 20, 60).reads.calls for _ in range(100))
        assert 0 in calls  # of those between two looks at the lake's state
    finally:
        answering.close()


def test_sizes_are_grouped_by_their_documents_and_sorted(tmp_path: Path) -> None:
    long = Size(root=tmp_path, n_codes=5, mean_length=290)
    sizes = [size(tmp_path, LARGE), long, size(tmp_path, SMALL)]
    assert by_length(sizes) == [[long], [sizes[2], sizes[0]]]


def test_a_disk_that_is_too_small_is_said_before_it_is_full(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"takes up to 1000000000\.0 GB of disk"):
        check_room(tmp_path, 10**18)


def test_lakes_have_about_the_codes_that_were_asked_for(root: Path) -> None:
    assert size(root, 10**9).n_documents == pytest.approx(625_000, rel=0.01)
    assert Lake(str(size(root).folder / "lake")).uri.startswith(str(root))
