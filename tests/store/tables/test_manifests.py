"""A manifest is changed where its files lie, and nowhere else."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from hypothesis import given
from hypothesis import strategies as st

from saelake.store.errors import Corrupt
from saelake.store.tables.manifests import elsewhere

ROWS = pa.table({"a": range(10), "word": [f"w{i}" for i in range(10)]})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> "lance.LanceDataset":
    """A table of three files, with metadata of its own."""
    uri = str(tmp_path_factory.mktemp("manifests") / "t.lance")
    for _ in range(3):
        rows = ROWS.replace_schema_metadata({"kept": "yes"})
        lance.write_dataset(rows, uri, mode="append", data_storage_version="2.2")
    return lance.dataset(uri)


def names(dataset: "lance.LanceDataset") -> list[str]:
    return [part.metadata.files[0].path for part in dataset.get_fragments()]


def opened(dataset: "lance.LanceDataset", moved: Sequence[str], to: str) -> "lance.LanceDataset":
    manifest = elsewhere(dataset._ds.serialized_manifest(), moved, to)
    return lance.LanceDataset(dataset.uri, serialized_manifest=manifest)


@pytest.mark.parametrize("moved", [c for n in range(4) for c in combinations(range(3), n)])
def test_the_files_named_lie_elsewhere_and_the_rest_where_they_did(
    dataset: "lance.LanceDataset", moved: tuple[int, ...], tmp_path: Path
) -> None:
    chosen = [names(dataset)[i] for i in moved]
    folder = tmp_path / "an other place"
    manifest = elsewhere(dataset._ds.serialized_manifest(), chosen, folder.as_uri())
    found = lance.LanceDataset(dataset.uri, serialized_manifest=manifest)
    files = [part.metadata.files[0] for part in found.get_fragments()]
    assert [file.base_id is not None for file in files] == [i in moved for i in range(3)]
    assert [file.path for file in files] == names(dataset)
    kept = [i for i in range(3) if i not in moved]
    for i in kept:
        rows = found.get_fragment(i).to_table()
        assert rows.equals(dataset.get_fragment(i).to_table())
    assert found.schema.equals(dataset.schema, check_metadata=True)
    assert (found.version, found.count_rows()) == (dataset.version, 30)


def test_copies_give_the_same_rows(dataset: "lance.LanceDataset", tmp_path: Path) -> None:
    data = Path(dataset.uri) / "data"
    for name in names(dataset):
        (tmp_path / name).write_bytes((data / name).read_bytes())
    moved = opened(dataset, names(dataset), tmp_path.as_uri())
    hidden = data.rename(data.with_name("hidden"))
    try:
        assert moved.to_table().equals(pa.concat_tables([ROWS] * 3))
        assert moved.take([25, 3])["a"].to_pylist() == [5, 3]
    finally:
        hidden.rename(data)


def test_a_file_that_has_a_place_keeps_it(dataset: "lance.LanceDataset", tmp_path: Path) -> None:
    first, second = (tmp_path / "a").as_uri(), (tmp_path / "b").as_uri()
    once = elsewhere(dataset._ds.serialized_manifest(), names(dataset)[:1], first)
    twice = lance.LanceDataset(
        dataset.uri, serialized_manifest=elsewhere(once, [names(dataset)[0]], second)
    )
    files = [part.metadata.files[0] for part in twice.get_fragments()]
    assert len({file.base_id for file in files}) == 2
    assert [file.base_id for file in files].count(None) == 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 19, 20, 21, 999]),
            st.one_of(st.integers(0, 2**64 - 1), st.binary(max_size=300)),
        )
    )
)
def test_other_fields_stay_as_they_are(fields: list[tuple[int, int | bytes]]) -> None:
    """The bytes of a message of any other fields are the beginning of what is made of it."""
    message = b"".join(written(number, value) for number, value in fields)
    assert elsewhere(message, ["x"], "file:///x").startswith(message)


def written(number: int, value: int | bytes) -> bytes:
    """One field in the wire format, as the library of Protocol Buffers writes it."""
    key = varint(number << 3 | (0 if isinstance(value, int) else 2))
    return key + (varint(value) if isinstance(value, int) else varint(len(value)) + value)


def varint(value: int) -> bytes:
    """Written by the book: groups of 7 bits, the lowest first."""
    groups = []
    while True:
        value, group = value >> 7, value & 0x7F
        groups.append(group | (0x80 if value else 0))
        if not value:
            return bytes(groups)


def test_any_message_of_the_library_is_read() -> None:
    message = FileDescriptorProto(name="a" * 1000, dependency=["b", "c" * 200]).SerializeToString()
    assert elsewhere(message.replace(b"\x1a", b"\x22"), [], "file:///x")


@pytest.mark.parametrize("bad", [b"\x0a\xff\x01x", b"\xff" * 12, b"\x0b", b"\x10"])
def test_what_is_no_manifest_is_refused(bad: bytes) -> None:
    with pytest.raises(Corrupt, match="cannot be read"):
        elsewhere(bad, [], "file:///x")
