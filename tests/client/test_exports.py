"""Files appear when they are whole, or not at all."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from saelake.exports import ROW_GROUP, whole, write_codes, write_embeddings
from saelake.store.errors import InvalidInput

CODES = pa.schema([("id", pa.string()), ("value", pa.float32())])
EMBEDDINGS = pa.schema(
    [
        ("id", pa.string()),
        ("doc", pa.uint64()),
        ("features", pa.list_(pa.uint32())),
        ("max", pa.list_(pa.float32())),
    ]
)
ROWS: list[tuple[str, dict[int, float]]] = [
    ("a", {0: 1.5, 3: 2.0}),
    ("b", {}),
    ("日本", {2: 0.25}),
    ("a longer id", {0: 1.0, 1: 2.0, 4: 3.0}),
]


def codes(n: int, *, batch: int = 1000, fails: bool = False) -> pa.RecordBatchReader:
    def batches() -> Iterator[pa.RecordBatch]:
        for begin in range(0, n, batch):
            rows = range(begin, min(begin + batch, n))
            yield pa.record_batch([[f"d{i}" for i in rows], [float(i) for i in rows]], CODES)
        if fails:
            raise ConnectionError("the server went away")

    return pa.RecordBatchReader.from_batches(CODES, batches())


def embeddings(*, fails: bool = False) -> pa.RecordBatchReader:
    def batches() -> Iterator[pa.RecordBatch]:
        for doc, (name, values) in enumerate(ROWS):
            row = {"id": name, "doc": doc, "features": list(values), "max": list(values.values())}
            yield pa.RecordBatch.from_pylist([row], EMBEDDINGS)
        if fails:
            raise ConnectionError("the server went away")

    return pa.RecordBatchReader.from_batches(EMBEDDINGS, batches())


def test_codes_are_written_row_by_row(tmp_path: Path) -> None:
    path, seen = tmp_path / "new folder" / "codes.parquet", list[int]()
    assert write_codes(path, codes(2500), seen.append) == 2500
    assert pq.read_table(path).equals(codes(2500).read_all())
    assert seen[-1] == 2500


def test_small_batches_become_large_row_groups(tmp_path: Path) -> None:
    path, n_rows = tmp_path / "codes.parquet", ROW_GROUP + 5

    def batches() -> Iterator[pa.RecordBatch]:
        for begin in range(0, n_rows, 1 << 16):
            yield pa.record_batch({"n": np.arange(begin, min(begin + (1 << 16), n_rows))})

    schema = pa.schema([("n", pa.int64())])
    assert write_codes(path, pa.RecordBatchReader.from_batches(schema, batches())) == n_rows
    written = pq.ParquetFile(path)
    groups = [written.metadata.row_group(i).num_rows for i in range(written.num_row_groups)]
    assert groups == [ROW_GROUP, 5]
    np.testing.assert_array_equal(written.read()["n"].to_numpy(), np.arange(n_rows))


def test_no_codes_are_a_file_with_columns(tmp_path: Path) -> None:
    assert write_codes(tmp_path / "codes.parquet", codes(0)) == 0
    assert pq.read_schema(tmp_path / "codes.parquet").equals(CODES)


def test_embeddings_are_a_matrix_for_scipy(tmp_path: Path) -> None:
    path, seen = tmp_path / "embeddings.npz", list[int]()
    assert write_embeddings(path, embeddings(), 6, seen.append) == len(ROWS)
    matrix = sparse.load_npz(path)
    expected = np.zeros((len(ROWS), 6), np.float32)
    for doc, (_, values) in enumerate(ROWS):
        expected[doc, list(values)] = list(values.values())
    assert isinstance(matrix, sparse.csr_matrix)
    assert matrix.dtype == np.float32
    assert matrix.has_canonical_format
    np.testing.assert_array_equal(matrix.toarray(), expected)
    with np.load(path) as arrays:
        assert arrays["ids"].tolist() == [name for name, _ in ROWS]
        assert arrays["doc"].tolist() == list(range(len(ROWS)))
    assert seen == [1, 2, 3, 4]


def test_no_embeddings_are_an_empty_matrix(tmp_path: Path) -> None:
    path = tmp_path / "embeddings.npz"
    none = pa.RecordBatchReader.from_batches(EMBEDDINGS, [])
    assert write_embeddings(path, none, 6) == 0
    assert sparse.load_npz(path).shape == (0, 6)
    with np.load(path) as arrays:
        assert arrays["ids"].shape == (0,)


def test_sliced_lists_are_written_from_their_own_beginning(tmp_path: Path) -> None:
    (part,) = embeddings().read_all().combine_chunks().slice(2).to_batches()
    write_embeddings(tmp_path / "e.npz", pa.RecordBatchReader.from_batches(EMBEDDINGS, [part]), 6)
    written = sparse.load_npz(tmp_path / "e.npz").toarray()
    np.testing.assert_array_equal(written, [[0, 0, 0.25, 0, 0, 0], [1, 2, 0, 0, 3, 0]])


def test_a_reader_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="went away"):
        write_codes(tmp_path / "codes.parquet", codes(10, fails=True))
    with pytest.raises(ConnectionError, match="went away"):
        write_embeddings(tmp_path / "embeddings.npz", embeddings(fails=True), 6)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_fails_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "codes.parquet"
    write_codes(path, codes(7))
    with pytest.raises(ConnectionError):
        write_codes(path, codes(10, fails=True))
    assert pq.read_table(path).num_rows == 7
    assert [p.name for p in tmp_path.iterdir()] == ["codes.parquet"]


def test_a_watcher_that_interrupts_leaves_nothing(tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_codes(tmp_path / "codes.parquet", codes(10), stop)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is a folder"):
        write_codes(tmp_path, codes(1))


def test_a_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with whole(tmp_path / "whole") as partial:
        partial.write_text("x")
        assert not (tmp_path / "whole").exists()
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode
