"""What is damaged is found, and ends no process."""

import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from saelake.store.codes.table import CodesTable
from saelake.store.codes.terse import whole_columns
from saelake.store.engine import Engine
from saelake.store.errors import Corrupt, NotFound
from saelake.store.growth.index import index
from saelake.store.growth.shards import ShardCommitter
from saelake.store.lake.lake import CollectionName
from saelake.store.requests.checks import Selection
from saelake.store.requests.cluster import ClusterQuery
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.match import MatchQuery
from saelake.store.requests.similar import SimilarQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table, metadata, overwrite, read
from tests.indexed import all_is_well, assert_indexed_right, codes_rows, packed, replace_codes
from tests.lakes import commit_shard, make_lake, settings


def _doubled(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows, rows.slice(3, 1)])


def _column_changed(
    name: str, change: Callable[[list[int]], list[int]]
) -> Callable[[pa.Table], pa.Table]:
    def changed(rows: pa.Table) -> pa.Table:
        lists = rows[name].to_pylist()
        at = next(i for i, values in enumerate(lists) if len(set(values)) > 1)
        lists[at] = change(lists[at])
        index = rows.schema.get_field_index(name)
        return rows.set_column(
            index, rows.schema.field(name), [pa.array(lists, rows.schema.field(name).type)]
        )

    return changed


DAMAGES: dict[str, Callable[[pa.Table], pa.Table]] = {
    "a document twice": _doubled,
    "a wrong maximum": _column_changed("max", lambda v: [v[0] + 1, *v[1:]]),
    "a wrong count": _column_changed("counts", lambda v: [v[0] + 1, *v[1:]]),
    "features out of order": _column_changed("feature_gaps", lambda v: [v[0], 0, *v[2:]]),
    "a feature beyond the dictionary": _column_changed("feature_gaps", lambda v: [*v[:-1], 999]),
    "the gaps of others": _column_changed("feature_gaps", lambda v: [v[0] + 1, *v[1:]]),
    "more below than a maximum is": _column_changed("below", lambda v: [65_535, *v[1:]]),
    "another below": _column_changed("below", lambda v: [v[0] + 1, *v[1:]]),
    "another token of a maximum": _column_changed("positions", lambda v: [v[0] + 1, *v[1:]]),
    "a position beyond the tokens": _column_changed("positions", lambda v: [*v[:-1], 60_000]),
    "a missing value": _column_changed("below", lambda v: v[:-1]),
    "another token": _column_changed("token_ids", lambda v: [v[0] + 1, *v[1:]]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_codes_are_found(tmp_path: Path, damage: str) -> None:
    made = make_lake(tmp_path, n_documents=20, n_fragments=1, n_indexed=1)
    replace_codes(made, DAMAGES[damage])
    checks = Engine(made.lake.uri).ask(VerifyQuery()).read_all().to_pylist()
    assert [check for check in checks if not check["ok"]], damage


@pytest.mark.parametrize("gap", [999, 40_000])
def test_a_feature_beyond_the_dictionary_ends_no_process(tmp_path: Path, gap: int) -> None:
    made = make_lake(tmp_path, n_documents=20, n_fragments=1, n_indexed=0)
    replace_codes(made, _column_changed("feature_gaps", lambda v: [v[0], gap, *v[2:]]))
    name = str(made.name)
    selected = Selection(collection=name)
    for question in (
        MatchQuery(a=name, b=name),
        DiffQuery(a=selected, others=(selected,)),
        ClusterQuery(collection=name),
        SimilarQuery(collection=name, docs=(1,)),
        CodesQuery(collection=name),
    ):
        with pytest.raises(Corrupt, match=rf"run `saelake verify {name} --repair`"):
            Engine(made.lake.uri).ask(question).read_all()


def test_a_checksum_is_the_crc_of_a_rows_lists(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=20, n_fragments=1, n_indexed=0)
    table = CodesTable(codes_rows(made)[0])
    rows = [
        row for batch in table.scan(whole_columns(table.table.schema)) for row in batch.to_pylist()
    ]
    assert len(rows) == 20
    for row in rows:
        crc = 0
        for name, dtype in {
            "token_ids": "<u4",
            "token_starts": "<u4",
            "token_lengths": "<u2",
            "features": "<u4",
            "max": "<u2",
            "counts": "<u2",
            "positions": "<u2",
            "values": "<u2",
        }.items():
            crc = zlib.crc32(np.array(row[name], dtype).tobytes(), crc)
        assert row["checksum"] == crc
    assert "checksums agree" in all_is_well(made)


def test_codes_without_checksums_are_read_and_said_to_have_none(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=20, n_fragments=1, n_indexed=0)
    rows = codes_rows(made)[1].drop_columns(["checksum"])
    shutil.rmtree(made.lake.codes(made.name))
    table = Table.open_or_create(made.lake.codes(made.name), rows.schema)
    draft = table.write(rows.to_batches())
    table.commit(lambda _: Change(add=draft))
    index(made.lake, made.name)
    assert_indexed_right(made)
    assert "no checksums" in all_is_well(made)
    chosen = settings(n_features=made.n_features)
    commit_shard(made.lake, chosen, packed(made, doc=20), 20, 21)
    assert ShardCommitter(made.lake, chosen).done() == [(0, 21)]


def test_damaged_postings_and_statistics_are_found(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=20, n_fragments=1, n_indexed=1)
    features = read(made.lake.features(made.name))
    wrong = features.set_column(1, "token_frequency", pa.array([7] * len(features), pa.uint64()))
    overwrite(
        made.lake.features(made.name), wrong.replace_schema_metadata(features.schema.metadata)
    )
    checks = Engine(made.lake.uri).ask(VerifyQuery()).read_all().to_pylist()
    assert [c["check"] for c in checks if not c["ok"]] == [
        "feature statistics agree with the codes"
    ]
    table = Table.open(made.lake.codes(made.name))
    assert metadata(table.schema)["saelake:format"] == "1"
    replace_codes(made, lambda rows: rows)  # the same rows in a fragment that nothing covers
    collection = Collection(made.lake, made.name)
    assert collection.unindexed == tuple(
        f.id for f in CodesTable(collection.codes.table).table.fragments
    )


def test_a_collection_without_a_shard_yet_does_not_stop_the_checks(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=10, n_fragments=1, n_indexed=1)
    begun = CollectionName("made", "begun")
    Table.open_or_create(made.lake.codes(begun), Table.open(made.lake.codes(made.name)).schema)
    checks = Engine(made.lake.uri).ask(VerifyQuery()).read_all().to_pylist()
    assert checks
    assert all(check["ok"] for check in checks)
    with pytest.raises(NotFound, match="no collection made/begun"):
        Engine(made.lake.uri).ask(VerifyQuery(collection="made/begun"))
