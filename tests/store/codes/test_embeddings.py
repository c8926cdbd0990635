"""SAE embeddings equal pooling written out over every token, for every kind of document."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.codes import embeddings
from saelake.store.codes.embeddings import Block, blocks, take
from saelake.store.codes.executor import Piece, pieces
from saelake.store.codes.table import CodesTable
from saelake.store.requests.checks import Pooling
from saelake.store.snapshot.collection import Collection
from saelake.workers.encoder import pack
from tests import lakes
from tests.lakes import MadeLake, make_lake

POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
Floats = npt.NDArray[np.float32]

# Whole documents, and of document 20, which has parts of 8 tokens, the first; of 21 the second.
FAILED = [(3, 0), (7, 0), (20, 0), (21, 1)]


@pytest.fixture(scope="module", params=["plain", "signed", "8-bit", "parts", "signed parts"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    folder: Path = tmp_path_factory.mktemp("lake")
    signed = "signed" in request.param
    if "parts" not in request.param:
        values = "8-bit" if request.param == "8-bit" else "16-bit"
        return make_lake(folder, signed=signed, values=values, failed=FAILED[:2])
    with pytest.MonkeyPatch.context() as patch:
        for module in (lakes, pack):
            patch.setattr(module, "MAX_PART_TOKENS", 8)
        made = make_lake(folder, tokens=(0, 30), seed=9, signed=signed, failed=FAILED)
    assert len(made.words[20]) > 8
    assert len(made.words[21]) > 8
    return made


@pytest.fixture
def codes(made: MadeLake) -> CodesTable:
    return Collection(made.lake, made.name).codes


def dense(block: Block, n_features: int) -> Floats:
    found = np.zeros((len(block), n_features), np.float32)
    found[block.rows, block.features] = block.values
    return found


def expected(made: MadeLake, pooling: Pooling) -> tuple[npt.NDArray[np.int64], Floats]:
    """The documents that have an embedding, and these."""
    every = made.embeddings(pooling)
    encoded = np.flatnonzero(~np.isnan(every[:, 0]))
    return encoded, every[encoded]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_scanned_blocks(
    made: MadeLake, codes: CodesTable, pooling: Pooling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In blocks of a few rows that are cut between documents, never between parts of one."""
    monkeypatch.setattr(embeddings, "SCAN_ROWS", 3)
    monkeypatch.setattr(embeddings, "PIECE_ROWS", 7)
    found = [block for piece in pieces(codes, 1) for block in blocks(piece, pooling)]
    assert len(found) > 4
    whole = Block.joined(found)
    docs, values = expected(made, pooling)
    order = np.argsort(whole.doc)
    assert whole.doc[order].tolist() == docs.tolist()
    np.testing.assert_allclose(dense(whole[order], made.n_features), values, rtol=1e-6)
    assert whole.values.dtype == np.float32
    assert whole.doc.dtype == np.uint64


def test_features_ascend_and_fire(made: MadeLake, codes: CodesTable) -> None:
    """A row has each feature once, and only features that fire somewhere in the document."""
    (piece,) = pieces(codes)
    fired = {(code.doc, code.feature) for code in made.codes}
    for block in blocks(piece):
        for row in range(len(block)):
            features, _ = block.row(row)
            assert (np.diff(features.astype(int)) > 0).all()
            assert {(int(block.doc[row]), int(f)) for f in features} <= fired
        assert len(block.values) == sum(
            (d, f) in fired for d in block.doc for f in range(made.n_features)
        )


def test_taken_documents(made: MadeLake, codes: CodesTable) -> None:
    docs, _ = expected(made, "max")
    every = made.embeddings

    @settings(max_examples=50, deadline=None)
    @given(
        asked=st.lists(st.integers(0, len(made.texts) + 3), max_size=12),
        pooling=st.sampled_from(POOLINGS),
    )
    def check(asked: list[int], pooling: Pooling) -> None:
        """In the order asked for, also twice; those without an embedding are left out."""
        block = take(codes, np.array(asked, np.uint64), pooling)
        known = [doc for doc in asked if doc in docs]
        assert block.doc.tolist() == known
        np.testing.assert_allclose(dense(block, made.n_features), every(pooling)[known], rtol=1e-6)

    check()


def test_a_document_without_tokens_has_an_empty_embedding(
    made: MadeLake, codes: CodesTable
) -> None:
    empty = [doc for doc, words in enumerate(made.words) if not words and (doc, 0) not in FAILED]
    assert empty
    for pooling in POOLINGS:
        block = take(codes, np.array(empty, np.uint64), pooling)
        assert block.doc.tolist() == empty
        assert len(block.values) == 0


def test_rows_of_a_block(made: MadeLake, codes: CodesTable) -> None:
    (piece,) = pieces(codes)
    (block,) = blocks(piece)
    whole = dense(block, made.n_features)
    some = np.array([5, 0, 5, 2])
    np.testing.assert_array_equal(dense(block[some], made.n_features), whole[some])
    assert len(block[some[:0]]) == 0
    chosen = np.zeros(made.n_features, np.bool_)
    chosen[[1, 8]] = True
    np.testing.assert_array_equal(dense(block.within(chosen), made.n_features), whole * chosen)
    mask = np.zeros(len(made.texts), np.bool_)
    mask[::3] = True
    assert block.kept(mask).doc.tolist() == [d for d in block.doc.tolist() if d % 3 == 0]
    assert block.kept(None) is block
    assert block.kept(np.ones_like(mask)) is block
    np.testing.assert_array_equal(
        dense(Block.joined([block, block[some]]), made.n_features),
        np.concatenate([whole, whole[some]]),
    )
    assert len(Block.joined([])) == 0
    assert block.n_bytes == sum(
        a.nbytes for a in (block.doc, block.offsets, block.features, block.values)
    )


def test_a_piece_in_which_all_documents_failed(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=4, n_fragments=2, failed=[(0, 0), (1, 0)])
    codes = Collection(made.lake, made.name).codes

    def docs(piece: Piece) -> Iterator[int]:
        return (int(doc) for block in blocks(piece, "mean") for doc in block.doc)

    assert sorted(docs(pieces(codes)[0])) == [2, 3]
    assert sorted(list(docs(piece)) for piece in pieces(codes, 1)) == [[], [2, 3]]
