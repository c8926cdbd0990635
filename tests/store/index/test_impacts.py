"""Approximate search: exact scores, a recall that is measured, and the engine's use of it."""

import numpy as np
import pytest
from scipy import sparse

from saelake.store.codes.embeddings import Block
from saelake.store.engine import Engine
from saelake.store.format.lists import Array
from saelake.store.index import impacts
from saelake.store.index.impacts import EVERYTHING, ImpactIndex, Impacts
from saelake.store.query import similar
from saelake.store.requests.similar import SimilarQuery
from tests.lakes import make_lake

N, D = 900, 60


@pytest.fixture
def rows() -> sparse.csr_matrix:
    random = np.random.default_rng(3)
    topics = random.random((30, D)) ** 6  # documents of a topic are alike
    dense = topics[random.integers(0, 30, N)] * random.gamma(2, 1, (N, D))
    dense[dense < 0.05] = 0
    dense[7] = 0
    return sparse.csr_matrix(dense.astype(np.float32))


def blocks_of(rows: sparse.csr_matrix, size: int) -> list[Block]:
    cut = [rows[begin : begin + size] for begin in range(0, rows.shape[0], size)]
    return [
        Block(
            doc=np.arange(i * size, i * size + part.shape[0], dtype=np.uint64),
            offsets=part.indptr.astype(np.int64),
            features=part.indices.astype(np.uint32),
            values=part.data,
        )
        for i, part in enumerate(cut)
    ]


def cosines(rows: sparse.csr_matrix, query: Array, weights: Array) -> Array:
    weighted = rows.toarray() * weights
    length = np.linalg.norm(weighted, axis=1) * np.linalg.norm(query)
    found: Array = np.divide(weighted @ query, length, out=np.zeros(len(length)), where=length > 0)
    return found


@pytest.mark.parametrize("budget", [1, 8, 1000])
@pytest.mark.parametrize("filtered", [None, 0.05, 0.6])
def test_scores_are_exact(rows: sparse.csr_matrix, budget: int, filtered: float | None) -> None:
    random = np.random.default_rng(0)
    weights = random.gamma(2, 1, D).astype(np.float32)
    (block,) = blocks_of(rows, N)
    query = weights * rows[4].toarray()[0]
    keep = EVERYTHING if filtered is None else random.random(N) < filtered
    docs, found = Impacts.of(block, weights).nearest(query, weights, 10, keep, budget)
    expected = cosines(rows, query, weights)
    assert np.allclose(found, expected[docs.astype(int)], rtol=1e-4)
    assert len(docs)
    if len(keep):
        assert keep[docs.astype(int)].all()
    if budget == 1000 or filtered == 0.05:
        allowed = expected if not len(keep) else np.where(keep, expected, -1)
        assert set(np.argsort(-allowed)[:10].tolist()) <= set(docs.tolist())


def test_the_recall_is_measured(rows: sparse.csr_matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impacts, "WORTHWHILE", 1e9)
    monkeypatch.setattr(impacts, "LEAST_CANDIDATES", 11)
    monkeypatch.setattr(impacts, "CANDIDATES", 1)
    monkeypatch.setattr(impacts, "N_MEASURED", N)
    monkeypatch.setattr(impacts, "LEAST_RECALL", 0.0)
    monkeypatch.setattr(impacts, "BUDGETS", (3,))
    weights = np.ones(D, np.float32)
    index = ImpactIndex.of(blocks_of(rows, 400), weights)
    shares = []
    for row in range(N):
        query = rows[row].toarray()[0]
        if not query.any():
            continue
        found = np.concatenate(
            [b.nearest(query, weights, 11, EVERYTHING, 3)[0] for b in index.blocks]
        )
        expected = cosines(rows, query, weights)
        least = np.sort(expected)[::-1][10]
        near = expected[found.astype(int)] >= least - 1e-6
        shares.append(min((near.sum() - 1) / 10, 1))
    assert index.budget == 3
    assert 0.3 < index.recall < 1
    assert index.recall == pytest.approx(np.mean(shares), abs=0.01)


def test_the_least_budget_that_finds_enough_is_taken(
    rows: sparse.csr_matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(impacts, "LEAST_CANDIDATES", 14)
    monkeypatch.setattr(impacts, "CANDIDATES", 1)
    weights = np.ones(D, np.float32)
    monkeypatch.setattr(impacts, "BUDGETS", (1, 2, 4, 8, 16, 60))
    monkeypatch.setattr(impacts, "WORTHWHILE", 1e9)
    index = ImpactIndex.of(blocks_of(rows, N), weights)
    assert index.recall >= impacts.LEAST_RECALL
    assert index.budget == 8
    monkeypatch.setattr(impacts, "BUDGETS", (1, 2, 4))
    assert ImpactIndex.of(blocks_of(rows, N), weights).budget is None
    monkeypatch.setattr(impacts, "BUDGETS", (60,))
    monkeypatch.setattr(impacts, "WORTHWHILE", 0.25)  # more work than to look at everything
    assert ImpactIndex.of(blocks_of(rows, N), weights).budget is None


@pytest.mark.parametrize("where", [None, "label = 'pos'"])
def test_the_engine_says_with_what_recall(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, where: str | None
) -> None:
    made = make_lake(tmp_path_factory.mktemp("lake"), n_documents=60, n_features=30, density=0.1)
    query = SimilarQuery(collection="made/random", docs=(3,), k=5, where=where)
    exact = Engine(made.lake.uri).ask(query).read_all()
    assert exact.schema.metadata[b"recall"] == b"1"
    monkeypatch.setattr(similar, "APPROXIMATE_ABOVE", 0)
    monkeypatch.setattr(impacts, "WORTHWHILE", 1e9)
    nearly = Engine(made.lake.uri).ask(query).read_all()
    assert 0.99 <= float(nearly.schema.metadata[b"recall"]) <= 1
    assert nearly["doc"].to_pylist() == exact["doc"].to_pylist()
    assert np.allclose(nearly["score"].to_numpy(), exact["score"].to_numpy(), rtol=1e-5)
    monkeypatch.setattr(impacts, "LEAST_RECALL", 2.0)
    refused = Engine(made.lake.uri).ask(query).read_all()
    assert refused.schema.metadata[b"recall"] == b"1"
