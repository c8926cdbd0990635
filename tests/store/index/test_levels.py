"""Estimates of cosines from levels: near the exact ones, and chosen by what they tell."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from saelake.store.arrays import kernels
from saelake.store.arrays import packed as of_rows
from saelake.store.codes.embeddings import Block
from saelake.store.format.lists import Array
from saelake.store.format.values import Float16Bits, Log8, ValueCodec
from saelake.store.index import levels as of_levels
from saelake.store.index import nearest
from saelake.store.index.impact_blocks import Measured, StoredBlock
from saelake.store.index.levels import Levels, inverse_lengths
from saelake.store.index.nearest import NearestDocuments, measured
from saelake.store.index.packed import decoded, packed, unpacked

N, D = 1501, 80
EVERYTHING = 1e9


@pytest.fixture(scope="module")
def block() -> Block:
    random = np.random.default_rng(3)
    topics = random.random((30, D)) ** 6
    dense = topics[random.integers(0, 30, N)] * random.gamma(2, 1, (N, D))
    dense[dense < 0.2 * random.random(D)] = 0
    dense[:, 60:][random.random((N, 20)) > 0.06] = 0
    dense[:, 70:] = 0
    dense[7] = 0
    rows = sparse.csr_matrix(dense.astype(np.float32))
    codec = Float16Bits(signed=False)
    return Block(
        doc=np.arange(N, dtype=np.uint64) * 3,
        offsets=rows.indptr.astype(np.int64),
        features=rows.indices.astype(np.uint32),
        values=codec.decode(codec.encode(rows.data)),
    )


def impacts(block: Block) -> Array:
    rows = sparse.csr_matrix((block.values, block.features, block.offsets), (len(block), D))
    dense: Array = rows.toarray()
    length = np.linalg.norm(dense, axis=1, keepdims=True)
    unit: Array = np.divide(dense, length, out=np.zeros_like(dense), where=length > 0)
    return unit


def levels(block: Block) -> Levels:
    return Levels.of(block, inverse_lengths(block, D), D)


def test_estimates_are_near_the_cosines(block: Block) -> None:
    made, dense = levels(block), impacts(block)
    assert made.features.in_column.any()
    assert not made.features.in_column.all()
    for row in (0, 5, 900, N - 1):
        chosen = made.features.chosen(dense[row], EVERYTHING)
        found = made.estimates(dense[row], chosen)
        error = found - dense @ dense[row]
        assert np.abs(error).mean() < 0.02
        assert np.corrcoef(found, dense @ dense[row])[0, 1] > 0.99


def test_what_is_not_added_up_is_what_is_to_be_expected(block: Block) -> None:
    made, dense = levels(block), impacts(block)
    typical = dense @ dense.mean(axis=0)
    slopes, means = np.polyfit(typical - typical.mean(), dense, 1)
    found = made.estimates(dense[4], np.empty(0, np.int64))
    expected = np.outer(typical - typical.mean(), slopes) + means
    assert np.allclose(found, expected @ dense[4], rtol=1e-3, atol=1e-5)


def test_more_columns_are_nearer(block: Block) -> None:
    made, dense = levels(block), impacts(block)
    errors = []
    for budget in (1, 4, 16, 64):
        chosen = made.features.chosen(dense[4], budget)
        assert made.features.costs[chosen].sum() <= budget
        errors.append((made.estimates(dense[4], chosen) - dense @ dense[4]).std())
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 4


def test_levels_keep_to_their_bytes(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_levels, "BYTES_PER_DOCUMENT", 10)
    made = levels(block)
    assert 0 < made.data.nbytes <= 10.5 * N
    assert len(made.features.kept) < len(made.features.numbers)


def test_levels_are_read_as_they_were_written(block: Block) -> None:
    made = levels(block)
    read = Levels(made.features, made.typical)
    query = impacts(block)[11]
    chosen = made.features.chosen(query, 12)
    spans = read.missing(chosen)
    assert not read.has.any()
    read.put(chosen, spans, [made.data[begin : begin + n].tobytes() for begin, n in spans])
    assert np.flatnonzero(read.has).tolist() == chosen.tolist()
    assert read.missing(chosen) == []
    assert np.array_equal(made.estimates(query, chosen), read.estimates(query, chosen))


@pytest.mark.parametrize("scale", [1, 5, 900])
@pytest.mark.parametrize(
    "codec", [Float16Bits(signed=False), Float16Bits(signed=True), Log8(signed=False)]
)
def test_embeddings_are_packed_exactly(
    block: Block, codec: ValueCodec, scale: int, tmp_path: Path
) -> None:
    """Also those with gaps of two and four bytes between their features."""
    features = block.features * np.uint32(scale)
    block = replace(block, features=features, values=codec.decode(codec.encode(block.values)))
    query = np.random.default_rng(0).random(scale * D).astype(np.float32)
    products = kernels.products(block.offsets, features, block.values, query, query)[0]
    first, of_codes = 0, (codec.dtype.itemsize, query, decoded(codec))
    for data, starts in packed(block, codec):
        rows = np.arange(first, first + len(starts) - 1)
        found = unpacked(data.tobytes(), starts, block.doc[rows], codec)
        expected = block[rows]
        assert np.array_equal(found.offsets, expected.offsets)
        assert np.array_equal(found.features, expected.features)
        assert np.array_equal(found.values, expected.values)
        near = of_rows.packed_products(data, starts, *of_codes)
        assert np.allclose(near, products[rows], rtol=1e-5)
        some = np.array([3, 8, len(rows) - 1])
        (tmp_path / "rows").write_bytes(data.tobytes())
        with (tmp_path / "rows").open("rb") as file:
            of_file = of_rows.products_in_file(file.fileno(), starts, some, *of_codes)
            assert np.array_equal(of_file[0], near[some])
            assert of_file[1]
        (tmp_path / "rows").write_bytes(data[:-1].tobytes())
        with (tmp_path / "rows").open("rb") as file:
            assert not of_rows.products_in_file(file.fileno(), starts, some, *of_codes)[1]
        first += len(rows)
    assert first == N


@pytest.mark.parametrize("n_documents", [N, 10 * N])
def test_the_recall_is_that_of_a_ranking(
    block: Block, monkeypatch: pytest.MonkeyPatch, n_documents: int
) -> None:
    monkeypatch.setattr(nearest, "BUDGETS", (6,))
    monkeypatch.setattr(nearest, "LEAST_MEASURED", 100)
    monkeypatch.setattr(nearest, "CANDIDATES", 2)
    monkeypatch.setattr(nearest, "LEAST_CANDIDATES", 1)
    monkeypatch.setattr(nearest, "CANDIDATE_SHARE", 0)
    monkeypatch.setattr(nearest, "N_MEASURED", 100)
    made, dense = levels(block), impacts(block)
    found = measured(block, inverse_lengths(block, D), made, D, n_documents)
    k, room = (10, 20) if n_documents == N else (1, 2)
    shares = []
    for row in np.linspace(0, N - 1, 100).astype(int):
        exact = dense @ dense[row]
        near = made.estimates(dense[row], made.features.chosen(dense[row], 6))
        exact[row] = near[row] = -1
        if exact.max() > 0:
            shares.append(np.isin(np.argsort(-exact)[:k], np.argsort(-near)[:room]).mean())
    assert found.budgets == (6,)
    assert found.n_asked == len(shares)
    assert found.recalls[0] == pytest.approx(np.mean(shares), abs=0.02)  # ties


def blocks(*measured: tuple[int, Measured]) -> NearestDocuments:
    unknown: Any = None
    made = [
        StoredBlock(
            fragment=i,
            covers=(),
            docs=np.zeros(n),
            typical=unknown,
            scales=unknown,
            starts=unknown,
            features=unknown,
            measured=found,
        )
        for i, (n, found) in enumerate(measured)
    ]
    return NearestDocuments(table=unknown, blocks=tuple(made))


def test_a_budget_is_the_least_that_finds_enough_in_all_blocks() -> None:
    quick = Measured(budgets=(32,), recalls=(1.0,), n_asked=10_000)
    slow = Measured(budgets=(32, 64, 128), recalls=(0.9, 0.982, 0.994), n_asked=10_000)
    assert blocks((100, quick)).budget == 32
    assert blocks((100, slow)).budget == 128
    both = blocks((100, quick), (100, slow))
    assert both.budget == 64
    assert both.recall == pytest.approx(0.991)
    few = Measured(budgets=(32, 64), recalls=(0.991, 0.991), n_asked=100)
    assert blocks((100, few)).budget is None  # it may be by chance
    assert blocks((100, few)).recall == 0
