"""Bits of features: which documents they stand for, and when they are worth their memory."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from saelake.store.codes.embeddings import Block
from saelake.store.index import bitmaps
from saelake.store.index.bitmaps import Bitmap
from saelake.store.query.parts.frequencies import frequencies
from saelake.store.requests.checks import Selection
from saelake.store.snapshot.session import Session
from tests.lakes import make_lake

D_SAE = 11


def block_of(values: np.ndarray) -> Block:
    rows = sparse.csr_matrix(values)
    return Block(
        doc=np.arange(len(values), dtype=np.uint64) * 3,
        offsets=rows.indptr.astype(np.int64),
        features=rows.indices.astype(np.uint32),
        values=rows.data.astype(np.float32),
    )


@given(seed=st.integers(0, 99), n=st.integers(0, 150), filtered=st.booleans())
@settings(max_examples=40, deadline=None)
def test_bits_are_the_documents_in_which_features_fire(seed: int, n: int, filtered: bool) -> None:
    random = np.random.default_rng(seed)
    fires = random.random((n, D_SAE)) < 0.4
    bitmap = Bitmap.of(block_of(fires.astype(np.float32)), D_SAE)
    mask = random.random(3 * n + 1) < 0.5 if filtered else None
    kept = fires if mask is None else fires & mask[np.arange(n) * 3][:, None]
    n_found, counts = bitmap.frequencies(mask)
    assert n_found == (n if mask is None else mask[np.arange(n) * 3].sum())
    assert np.array_equal(counts, kept.sum(axis=0))
    chosen = np.array([7, 2])
    bits = np.unpackbits(bitmap.of_features(chosen, mask).view(np.uint8), 1, bitorder="little")
    assert np.array_equal(bits.reshape(2, -1)[:, :n], kept[:, chosen].T)
    assert not bits.reshape(2, -1)[:, n:].any()


@pytest.mark.parametrize(
    ("density", "cache_bytes", "are_kept"),
    [(0.5, 1 << 20, True), (0.5, 100, False), (0.001, 1 << 20, False)],
)
def test_a_session_keeps_bits_that_are_smaller_than_numbers(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    density: float,
    cache_bytes: int,
    are_kept: bool,
) -> None:
    made = make_lake(tmp_path, n_documents=130, n_features=40, density=density)
    monkeypatch.setattr(bitmaps, "BITMAP_ROWS", 64)
    session = Session(made.lake, cache_bytes=cache_bytes)
    selected = session.select(Selection(collection="made/random", where="label = 'pos'"))
    found = session.embeddings.bitmaps(selected)
    assert (found is not None) == are_kept
    n, fires = frequencies(session, selected)
    assert selected.mask is not None
    docs = np.flatnonzero(selected.mask)
    assert n == len(docs)
    expected = [np.isin(selected.collection.posting_list(f).doc, docs).sum() for f in range(40)]
    assert fires.tolist() == expected
    if found is not None:
        again = session.embeddings.bitmaps(selected)
        assert again is not None
        assert next(iter(again)) is next(iter(found))
