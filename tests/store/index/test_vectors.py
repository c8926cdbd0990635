"""Nearest vectors, against NumPy; and the table that they are kept in."""

from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saelake.store.index import vectors as module
from saelake.store.index.vectors import VectorIndex, Vectors, write_vectors
from saelake.store.tables.tables import Table

Floats = npt.NDArray[np.float32]
Keep = npt.NDArray[np.bool_] | None


def brute_force(vectors: Floats, query: Floats, k: int, keep: Keep) -> list[tuple[int, float]]:
    """Rows and products, best first, ties by row."""
    products = vectors @ query
    rows = range(len(vectors)) if keep is None else np.flatnonzero(keep).tolist()
    return sorted(((row, float(products[row])) for row in rows), key=lambda r: (-r[1], r[0]))[:k]


def found(index: VectorIndex, query: Floats, k: int, keep: Keep = None) -> list[tuple[int, float]]:
    rows, products = index.nearest(query[None], k, keep)
    present = rows[0] >= 0
    assert present[: present.sum()].all(), "what is missing comes last"
    return list(zip(rows[0][present].tolist(), products[0][present].tolist(), strict=True))


# Small whole numbers: products are exact, and many are equal.
exact = arrays(np.float32, st.tuples(st.integers(1, 40), st.just(3)), elements=st.integers(-2, 2))


@settings(max_examples=150, deadline=None)
@given(exact, st.lists(st.integers(-2, 2), min_size=3, max_size=3), st.integers(1, 50), st.data())
def test_few_vectors_are_compared_one_by_one(
    vectors: Floats, query: list[int], k: int, data: st.DataObject
) -> None:
    n = len(vectors)
    keep = data.draw(st.none() | arrays(np.bool_, n))
    q = np.array(query, np.float32)
    assert found(VectorIndex(vectors), q, k, keep) == brute_force(vectors, q, k, keep)


def test_every_query_has_its_own_answer() -> None:
    random = np.random.default_rng(0)
    vectors, queries = random.normal(size=(2, 30, 8)).astype(np.float32)
    rows, products = VectorIndex(vectors).nearest(queries, 5)
    assert rows.shape == products.shape == (30, 5)
    assert products.dtype == np.float32
    np.testing.assert_array_equal(rows, np.argsort(-(queries @ vectors.T), axis=1)[:, :5])


def test_nothing_is_nearest_to_no_vectors() -> None:
    rows, products = VectorIndex(np.empty((0, 8), np.float32)).nearest(np.ones((2, 8)), 3)
    assert rows.shape == products.shape == (2, 0)


@pytest.fixture(scope="module")
def clustered() -> tuple[Floats, Floats]:
    """Vectors of length 1 around centres, as embeddings of texts are, and some to ask for."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(40, 32))
    points = centres[random.integers(0, 40, 5000)] + 0.4 * random.normal(size=(5000, 32))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    unit = points.astype(np.float32)
    return unit[100:], unit[:100]


def recall(index: VectorIndex, vectors: Floats, queries: Floats, keep: Keep = None) -> float:
    hits = 0
    for query in queries:
        expected = {row for row, _ in brute_force(vectors, query, 10, keep)}
        hits += len(expected & {row for row, _ in found(index, query, 10, keep)})
    return hits / (10 * len(queries))


@pytest.mark.parametrize("share", [None, 0.5, 0.02], ids=["all", "half", "few"])
def test_many_vectors_are_found_in_lists(
    clustered: tuple[Floats, Floats], monkeypatch: pytest.MonkeyPatch, share: float | None
) -> None:
    vectors, queries = clustered
    monkeypatch.setattr(module, "FLAT_VECTORS", 1000)
    index = VectorIndex(vectors)
    assert len(index) == len(vectors)
    keep = None if share is None else np.random.default_rng(1).random(len(vectors)) < share
    assert recall(index, vectors, queries, keep) > 0.9
    for query in queries[:10]:
        hits = found(index, query, 10, keep)
        assert hits == sorted(hits, key=lambda hit: (-hit[1], hit[0]))
        rows = [row for row, _ in hits]
        assert len(set(rows)) == len(rows)
        assert keep is None or keep[rows].all()
        np.testing.assert_allclose([p for _, p in hits], vectors[rows] @ query, rtol=1e-5)


def batches(
    numbers: npt.NDArray[np.uint64], vectors: Floats
) -> list[tuple[npt.NDArray[np.uint64], Floats]]:
    return [(numbers[i : i + 7], vectors[i : i + 7]) for i in range(0, len(numbers), 7)]


def test_a_table_of_vectors_is_read_by_number(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    numbers = random.permutation(100)[:50].astype(np.uint64)
    vectors = random.normal(size=(50, 6)).astype(np.float32)
    uri = str(tmp_path / "v.lance")
    assert Vectors.open(uri) is None
    write_vectors(uri, 6, "somebody", batches(numbers, vectors))
    stored = Vectors.open(uri)
    assert stored is not None
    assert (stored.embedder, stored.width) == ("somebody", 6)
    order = np.argsort(numbers)
    np.testing.assert_array_equal(stored.rows, numbers[order])
    np.testing.assert_array_equal(stored.index.vectors, vectors[order])
    wanted = np.array([99, 3, 3, 150, 0, 42], np.uint64)
    expected = [vectors[numbers == n][0] for n in wanted if n in numbers]
    assert 0 < len(expected) < len(wanted)
    np.testing.assert_array_equal(stored.of(wanted), np.stack(expected))
    assert stored.n_bytes == 50 * (4 * 6 + 8)


def test_vectors_are_replaced_as_a_whole(tmp_path: Path) -> None:
    uri = str(tmp_path / "v.lance")
    old = np.arange(3, dtype=np.uint64)
    write_vectors(uri, 2, "first", [(old, np.ones((3, 2), np.float32))])
    before = Vectors.open(uri)
    write_vectors(uri, 3, "second", [(old[:1], np.zeros((1, 3), np.float32))])
    after = Vectors.open(uri)
    assert before is not None
    assert after is not None
    assert (before.embedder, before.width, len(before.rows)) == ("first", 2, 3)
    assert (after.embedder, after.width, len(after.rows)) == ("second", 3, 1)


def test_what_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    uri = str(tmp_path / "v.lance")
    old = np.arange(3, dtype=np.uint64)
    write_vectors(uri, 2, "first", [(old, np.ones((3, 2), np.float32))])
    version = Table.open(uri).version

    def broken() -> Iterator[tuple[npt.NDArray[np.uint64], Floats]]:
        yield old, np.zeros((3, 2), np.float32)
        raise ZeroDivisionError("half way")

    with pytest.raises(ZeroDivisionError, match="half way"):
        write_vectors(uri, 2, "second", broken())
    assert Table.open(uri).version == version


def test_a_table_without_rows_is_no_vectors(tmp_path: Path) -> None:
    uri = str(tmp_path / "v.lance")
    write_vectors(uri, 2, "nobody", [])
    assert Vectors.open(uri) is None


def many() -> Floats:
    vectors = np.random.default_rng(0).normal(size=(2000, 16)).astype(np.float32)
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def test_lists_are_the_same_whatever_finds_the_list_of_a_vector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ASSIGNED_ROWS", 300)
    vectors = many()
    own = faiss.serialize_index(module.trained(vectors))
    other = faiss.serialize_index(module.trained(vectors, faiss.IndexFlatIP(16)))
    assert np.array_equal(own, other)


@pytest.mark.gpu
@pytest.mark.skipif(not faiss.get_num_gpus(), reason="needs FAISS for GPUs, and a CUDA device")
def test_lists_made_on_a_gpu_find_as_many_of_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = many()
    exact = np.argsort(-(vectors[:50] @ vectors.T), axis=1)[:, :5]
    found = {}
    for place, assigner in (("gpu", module.on_gpus(16)), ("cpu", None)):
        index = VectorIndex(vectors, module.trained(vectors, assigner))
        rows, _ = index.nearest(vectors[:50], 5)
        found[place] = np.mean([np.isin(a, b).mean() for a, b in zip(exact, rows, strict=True)])
    assert found["gpu"] >= found["cpu"] - 0.05
