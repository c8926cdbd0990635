"""The lists of many vectors are kept beside their table, and made again when they are not right."""

from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.index import vectors as module
from saelake.store.index.vectors import VectorIndex, Vectors, write_vectors
from saelake.store.labels.labels import LabelsTable, write_labels
from saelake.store.lake.lake import Lake
from saelake.store.tables.files import list_files, read_bytes, write_bytes
from tests.proxy import Fault, none, proxied

Floats = npt.NDArray[np.float32]
N, WIDTH, K = 500, 8, 5


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLAT_VECTORS", 100)


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/lake"
    return str(tmp_path / "lake")


def random_vectors(seed: int) -> Floats:
    """Of length 1, so that each is nearest to itself."""
    vectors = np.random.default_rng(seed).normal(size=(N, WIDTH)).astype(np.float32)
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def written(folder: str, vectors: Floats) -> str:
    """A table of these vectors, in no order."""
    uri = f"{folder}/words--vectors.lance"
    rows = np.random.default_rng(0).permutation(N).astype(np.uint64)
    write_vectors(uri, WIDTH, "somebody", [(rows, vectors[rows])])
    return uri


def opened(uri: str) -> Vectors:
    found = Vectors.open(uri)
    assert found is not None
    return found


def kept(folder: str) -> list[str]:
    return [uri for uri in list_files(folder) if uri.endswith(".faiss")]


def assert_answers(index: VectorIndex, vectors: Floats) -> None:
    np.testing.assert_array_equal(index.vectors, vectors)
    rows, products = index.nearest(vectors[:20], K)
    np.testing.assert_array_equal(rows[:, 0], np.arange(20))
    expected = np.take_along_axis(vectors[:20] @ vectors.T, rows, 1)
    np.testing.assert_allclose(products, expected, rtol=1e-5, atol=1e-6)


def test_lists_are_made_once_and_read_back(folder: str) -> None:
    vectors = random_vectors(0)
    uri = written(folder, vectors)
    assert kept(folder) == []
    assert_answers(opened(uri).index, vectors)
    (file,) = kept(folder)
    before = read_bytes(file)
    assert_answers(opened(uri).index, vectors)
    assert kept(folder) == [file]
    assert read_bytes(file) == before


def test_lists_on_a_disk_are_mapped(tmp_path: Path) -> None:
    vectors = random_vectors(0)
    uri = written(str(tmp_path), vectors)
    opened(uri).index  # noqa: B018  # makes the file
    (file,) = kept(str(tmp_path))
    assert file not in Path("/proc/self/maps").read_text()
    index = opened(uri).index
    assert file in Path("/proc/self/maps").read_text()
    assert_answers(index, vectors)


@pytest.mark.parametrize("damage", ["empty", "junk", "cut", "others", "of another kind"])
def test_a_file_that_is_not_right_is_made_again(folder: str, damage: str) -> None:
    vectors = random_vectors(0)
    uri = written(folder, vectors)
    opened(uri).index  # noqa: B018
    (file,) = kept(folder)
    right = read_bytes(file)
    assert right is not None
    flat = faiss.IndexFlatIP(WIDTH)
    flat.add(vectors)
    damaged = {
        "empty": b"",
        "junk": b"not FAISS's" * 1000,
        "cut": right[: len(right) // 2],
        "others": faiss.serialize_index(VectorIndex(random_vectors(1)).lists).tobytes(),
        "of another kind": faiss.serialize_index(flat).tobytes(),
    }[damage]
    write_bytes(file, damaged)
    assert_answers(opened(uri).index, vectors)
    again = read_bytes(file)
    assert again is not None
    assert len(again) == len(right)
    assert again != damaged


def test_files_of_earlier_snapshots_go_and_no_reader_of_one_brings_them_back(folder: str) -> None:
    old, new = random_vectors(0), random_vectors(1)
    uri = written(folder, old)
    early = opened(uri)
    opened(uri).index  # noqa: B018
    (first,) = kept(folder)
    write_bytes(f"{folder}/words--vectors.notes", b"not ours")
    written(folder, new)
    assert_answers(opened(uri).index, new)
    (second,) = kept(folder)
    assert second != first
    assert_answers(early.index, old)
    assert kept(folder) == [second]
    assert read_bytes(f"{folder}/words--vectors.notes") == b"not ours"


def test_few_vectors_are_not_kept(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLAT_VECTORS", N)
    vectors = random_vectors(0)
    assert_answers(opened(written(folder, vectors)).index, vectors)
    assert kept(folder) == []


def test_who_may_only_read_has_lists_of_his_own(
    bucket: str, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = random_vectors(0)
    uri = written(bucket, vectors)
    with proxied(s3_endpoint) as (endpoint, proxy):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        proxy.choose = lambda method, _: Fault.DENIED if method == "PUT" else None
        assert_answers(opened(uri).index, vectors)
        assert proxy.faults[Fault.DENIED] > 0
        proxy.choose = none
        assert kept(bucket) == []
        assert_answers(opened(uri).index, vectors)
        assert len(kept(bucket)) == 1
        proxy.reset()
        opened(uri).index  # noqa: B018
        assert set(proxy.requests) == {"GET", "HEAD"}


def test_labels_of_each_explainer_have_lists_of_their_own(folder: str) -> None:
    lake, vectors = Lake(folder), {"auto:a": random_vectors(0), "auto:b": random_vectors(1)}
    for explainer, embeddings in vectors.items():
        rows = [
            {"feature": i, "label": "-", "explainer": explainer, "embedder": "e", "embedding": v}
            for i, v in enumerate(embeddings)
        ]
        write_labels(lake, "sae", pa.Table.from_pylist(rows, LABELS_COLUMNS))
    for corpus in ["a", "b", "a"]:
        mine = vectors[f"auto:{corpus}"]
        features, _ = LabelsTable.open(lake, "sae", corpus).nearest(mine[7:8], K)
        assert features[0] == 7
    assert len(kept(folder)) == 2
