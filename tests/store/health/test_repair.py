"""Damage is found, said by document, and repaired; what is repaired answers as before."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import saelake
from saelake.store.activations.table import ActivationsTable
from saelake.store.codes.terse import whole_columns
from saelake.store.errors import Corrupt, Unavailable
from saelake.store.format.activations import KeptDtype
from saelake.store.format.histogram import N_BINS
from saelake.store.format.sampling import TokenSample
from saelake.store.growth.index import index
from saelake.store.growth.shards import ShardCommitter
from saelake.store.health.repair import repair
from saelake.store.index.segments import PostingsTable
from saelake.store.index.totals import N_TOKENS_KEY
from saelake.store.reports import Repaired
from saelake.store.snapshot.collection import Collection
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table, overwrite, read
from tests.lakes import MadeLake, add_documents, commit_shard, keep_activations, make_lake, settings
from tests.store.growth.test_compact import answers


def problems(made: MadeLake) -> list[str]:
    return [check.detail for check in saelake.connect(made.lake.uri).verify().problems]


def change_rows(made: MadeLake, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Write all codes again, in one fragment, after a change."""
    table = Table.open(made.lake.codes(made.name))
    rows = pa.Table.from_batches(table.scan(table.schema.names)).sort_by("doc").to_pylist()
    change(rows)
    draft = table.write(pa.Table.from_pylist(rows, table.schema).to_batches())
    old = tuple(fragment.id for fragment in table.fragments)
    table.commit(lambda _: Change(add=draft, remove=old))


def other_tokens(rows: list[dict[str, Any]]) -> None:
    for doc in (3, 7, 8):
        rows[doc]["token_ids"] = [9] * len(rows[doc]["token_ids"])


def other_counts(rows: list[dict[str, Any]]) -> None:
    rows[3]["counts"] = rows[3]["counts"][:-1]
    rows[7]["counts"] = [n + 1 for n in rows[7]["counts"]]
    rows[8]["max"] = [n + 1 for n in rows[8]["max"]]


def repeat(rows: list[dict[str, Any]]) -> None:
    rows += [rows[3], rows[7], rows[8]]


@pytest.mark.parametrize("damage", [other_tokens, other_counts, repeat])
def test_documents_with_damaged_codes_are_encoded_again(
    tmp_path: Path, damage: Callable[[list[dict[str, Any]]], None]
) -> None:
    made = make_lake(tmp_path, n_documents=20, tokens=(4, 12), n_fragments=2, n_indexed=2)
    before = answers(made.lake)
    codes = Collection(made.lake, made.name).codes
    names = whole_columns(codes.table.schema)
    good = pa.Table.from_batches(codes.scan(names)).sort_by("doc")
    change_rows(made, damage)
    assert problems(made)
    assert repair(made.lake) == [Repaired(collection="made/random", documents=("d3", "d7", "d8"))]
    assert problems(made) == []
    chosen = settings(n_features=made.n_features)
    assert ShardCommitter(made.lake, chosen).done() == [(0, 3), (4, 7), (9, 20)]
    for start, stop in ((7, 9), (3, 4)):
        (rows,) = good.slice(start, stop - start).combine_chunks().to_batches()
        commit_shard(made.lake, chosen, rows, start, stop)
    index(made.lake, made.name)
    assert problems(made) == []
    assert answers(made.lake) == before
    assert repair(made.lake) == []


def test_the_ids_of_damaged_documents_are_said(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=20, tokens=(4, 12), n_fragments=1, n_indexed=0)
    change_rows(made, other_tokens)
    (problem,) = problems(made)
    assert problem.startswith("document d3 (number 3) has a checksum that is not its lists', ")
    assert "document d8" in problem


def break_file(uri: str, fragment: int) -> None:
    """Overwrite the middle of a fragment's data file."""
    dataset = Table.open(uri)._dataset
    (file,) = dataset.get_fragment(fragment).data_files()
    path = Path(uri) / "data" / file.path
    content = bytearray(path.read_bytes())
    content[: len(content) - 40] = bytes(len(content) - 40)
    path.write_bytes(content)


def test_a_file_of_codes_that_cannot_be_read_is_taken_out(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=20, tokens=(4, 12), n_fragments=2, n_indexed=2)
    uri = made.lake.codes(made.name)
    first, second = Table.open(uri).fragments
    break_file(uri, second.id)
    assert any("cannot be read" in problem for problem in problems(made))
    (done,) = repair(made.lake)
    assert (done.collection, done.n_files) == ("made/random", 1)
    assert [f.id for f in Table.open(uri).fragments] == [first.id]
    assert problems(made) == []
    break_file(uri, first.id)
    repair(made.lake)
    assert saelake.connect(made.lake.uri).collections() == []
    assert problems(made) == []


def test_a_file_of_codes_that_is_missing_is_taken_out(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=20, tokens=(4, 12), n_fragments=2, n_indexed=2)
    table = Table.open(made.lake.codes(made.name))
    (Path(table.uri) / "data" / table.file_of(table.fragments[1].id)).unlink()
    assert problems(made)
    repair(made.lake)
    assert problems(made) == []
    assert len(Table.open(table.uri).fragments) == 1


def not_finite(row: dict[str, Any]) -> None:
    whole = isinstance(row["vectors"][1][0], int)  # the bits of bfloat16
    row["vectors"][1] = [0x7F80 if whole else np.float16("nan"), *row["vectors"][1][1:]]


def not_sampled(row: dict[str, Any]) -> None:
    places = np.arange(2, 100)
    others = places[~TokenSample(fraction=0.8).has(np.full(98, row["doc"]), places)]
    row["positions"][1] = int(others[0])


BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "lists of different lengths": lambda row: row["token_ids"].pop(),
    "positions out of order": lambda row: row["positions"].reverse(),
    "tokens that do not belong to the sample": not_sampled,
    "activations that are not finite": not_finite,
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("what", BROKEN)
def test_damaged_activations_are_taken_out(tmp_path: Path, what: str, dtype: KeptDtype) -> None:
    made = make_lake(tmp_path, n_documents=30, n_fragments=1)
    fraction = 0.8 if "sample" in what else 1.0
    rows = keep_activations(made, dtype, fraction=fraction)
    assert problems(made) == []
    assert repair(made.lake) == []
    table = Table.open(made.lake.activations(made.name))
    doc = next(i for i, row in enumerate(rows) if row["n_tokens"] == 2)
    BROKEN[what](rows[doc])
    draft = table.write([pa.RecordBatch.from_pylist(rows, table.schema)])
    old = tuple(fragment.id for fragment in table.fragments)
    table.commit(lambda _: Change(add=draft, remove=old))
    (problem,) = problems(made)
    assert problem == f"document d{doc} (number {doc}) has {what}"
    assert repair(made.lake) == [Repaired(collection="made/random", kept=(f"d{doc}",))]
    assert problems(made) == []
    after = ActivationsTable.open(made.lake, made.name)
    assert after.locations.ranges() == [r for r in ((0, doc), (doc + 1, 30)) if r[0] < r[1]]
    assert repair(made.lake) == []


def test_files_of_activations_that_cannot_be_read_are_taken_out(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=6, n_fragments=1)
    keep_activations(made)
    table = Table.open(made.lake.activations(made.name))
    first, second = table.fragments
    break_file(table.uri, second.id)
    assert any("cannot be read" in problem for problem in problems(made))
    with pytest.raises(Corrupt, match="verify --repair`, which takes out"):
        saelake.connect(made.lake.uri)["made/random"].activations().to_arrow().read_all()
    (done,) = repair(made.lake)
    assert (done.documents, done.n_kept_files) == ((), 1)
    assert problems(made) == []
    assert [f.id for f in Table.open(table.uri).fragments] == [first.id]
    break_file(table.uri, first.id)
    repair(made.lake)
    assert made.lake.activation_stores() == []
    assert problems(made) == []


def test_activations_that_are_there_twice_are_found(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=6, n_fragments=1)
    rows = keep_activations(made)
    table = Table.open(made.lake.activations(made.name))
    draft = table.write([pa.RecordBatch.from_pylist(rows[4:5], table.schema)])
    table.commit(lambda _: Change(add=draft))
    assert problems(made) == ["document 4 is there twice"]
    assert [done.kept for done in repair(made.lake)] == [("d4",)]
    assert problems(made) == []


def test_a_store_that_does_not_answer_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_lake(tmp_path, n_documents=20, n_fragments=2, n_indexed=2)
    n_fragments = len(Table.open(made.lake.codes(made.name)).fragments)
    scan = Table.scan

    def away(table: Table, columns: Sequence[str], **options: Any) -> Iterator[pa.RecordBatch]:
        if "below" in columns:
            raise Unavailable(f"{table.uri}: the store does not answer.")
        yield from scan(table, columns, **options)

    monkeypatch.setattr(Table, "scan", away)
    with pytest.raises(Unavailable):
        repair(made.lake)
    with pytest.raises(Unavailable):
        problems(made)
    monkeypatch.undo()
    assert len(Table.open(made.lake.codes(made.name)).fragments) == n_fragments
    assert problems(made) == []


def test_indexing_damaged_codes_says_what_to_do(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=20, tokens=(4, 12), n_fragments=1, n_indexed=0)
    change_rows(made, other_counts)
    with pytest.raises(Corrupt, match="verify made/random --repair"):
        index(made.lake, made.name)


def test_files_of_postings_that_cannot_be_read_are_made_again(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=20, tokens=(4, 12), n_fragments=2, n_indexed=2)
    before = answers(made.lake)
    uri = made.lake.postings(made.name)
    for fragment in Table.open(uri).fragments:
        break_file(uri, fragment.id)
    assert problems(made)
    (done,) = repair(made.lake)
    assert done.n_segments == 2
    assert problems(made) == []
    assert answers(made.lake) == before


def change_postings(made: MadeLake, change: Callable[[Table], Change]) -> None:
    Table.open(made.lake.postings(made.name)).commit(change)


def covered_twice(postings: Table) -> Change:
    first = postings.fragments[0].id
    rows = postings.scan(postings.schema.names, fragments=[first])
    return Change(add=postings.write(rows, one_fragment=True))


def other_covers(postings: Table) -> Change:
    """A segment that says it covers a fragment of which it has nothing."""
    one, other = PostingsTable(postings).segments[:2]
    rows = pa.Table.from_batches(postings.scan(postings.schema.names, fragments=[one.fragment]))
    covers = [[*one.covers, *other.covers], *[None] * (rows.num_rows - 1)]
    at = rows.schema.get_field_index("covers")
    wrong = rows.set_column(at, rows.schema.field(at), pa.array(covers, rows.schema.field(at).type))
    draft = postings.write(wrong.to_batches(), one_fragment=True)
    return Change(add=draft, remove=(one.fragment, other.fragment))


@pytest.mark.parametrize("damage", [covered_twice, other_covers])
def test_postings_that_do_not_agree_are_made_again(
    tmp_path: Path, damage: Callable[[Table], Change]
) -> None:
    made = make_lake(tmp_path, n_documents=30, n_fragments=3, n_indexed=3)
    before = answers(made.lake)
    change_postings(made, damage)
    (problem,) = problems(made)
    assert "of the codes fragments" in problem
    (done,) = repair(made.lake)
    assert (done.documents, done.n_segments) == ((), 1)
    assert problems(made) == []
    assert Collection(made.lake, made.name).unindexed == ()
    assert answers(made.lake) == before
    assert repair(made.lake) == []


def sevens(features: pa.Table, name: str) -> pa.Table:
    column = features[name]
    return features.set_column(
        features.schema.get_field_index(name), name, pa.array([7] * len(column), column.type)
    )


def no_histogram(features: pa.Table) -> pa.Table:
    empty = pa.array([[0] * N_BINS] * len(features), features.schema.field("histogram").type)
    return features.set_column(features.schema.get_field_index("histogram"), "histogram", empty)


def fewer_tokens(features: pa.Table) -> pa.Table:
    said = {**features.schema.metadata, N_TOKENS_KEY.encode(): b"7"}
    return features.replace_schema_metadata(said)


WRONG: dict[str, Callable[[pa.Table], pa.Table]] = {
    "token_frequency": lambda features: sevens(features, "token_frequency"),
    "document_frequency": lambda features: sevens(features, "document_frequency"),
    "max": lambda features: sevens(features, "max"),
    "sum": lambda features: sevens(features, "sum"),
    "histogram": no_histogram,
    "tokens": fewer_tokens,
}


@pytest.mark.parametrize("what", WRONG)
def test_statistics_that_do_not_agree_are_made_again(tmp_path: Path, what: str) -> None:
    made = make_lake(tmp_path, n_documents=20, n_fragments=2, n_indexed=2)
    uri = made.lake.features(made.name)
    good = read(uri)
    overwrite(uri, WRONG[what](good))
    assert problems(made) == ["they differ: run `saelake verify --repair`"]
    assert repair(made.lake) == [Repaired(collection="made/random", features=True)]
    assert problems(made) == []
    assert read(uri).drop_columns(["top_tokens"]).equals(good.drop_columns(["top_tokens"]))


def test_a_reader_goes_on_while_codes_are_repaired(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=20, tokens=(4, 12), n_fragments=2, n_indexed=2)
    change_rows(made, other_tokens)
    snapshot = Collection(made.lake, made.name)
    lists = [snapshot.posting_list(feature).doc.tolist() for feature in range(12)]
    repair(made.lake)
    assert [snapshot.posting_list(feature).doc.tolist() for feature in range(12)] == lists
    grown = add_documents(made, 3)
    index(grown.lake, grown.name)
    assert problems(made) == []
