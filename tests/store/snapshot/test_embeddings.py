"""Embeddings are kept where they fit, and else streamed in small pieces; both say the same."""

from pathlib import Path

import numpy as np
import pytest

from saelake.store.codes.embeddings import Block
from saelake.store.codes.executor import Piece
from saelake.store.engine import Engine
from saelake.store.requests.checks import Selection
from saelake.store.snapshot import embeddings
from saelake.store.snapshot.session import Session
from tests.lakes import MadeLake, make_lake

WHOLE = Selection(collection="made/random")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    folder: Path = tmp_path_factory.mktemp("embeddings")
    return make_lake(folder, n_documents=60, tokens=(2, 12), n_fragments=6, n_indexed=4)


def session_of(made: MadeLake, cache_bytes: int) -> Session:
    return Engine(made.lake.uri, cache_bytes=cache_bytes)._session


@pytest.mark.parametrize("cache_bytes", [1, 1 << 30])
@pytest.mark.parametrize("kept", [False, True])
def test_taken_embeddings_are_those_of_the_codes(
    made: MadeLake, cache_bytes: int, kept: bool
) -> None:
    session = session_of(made, cache_bytes)
    selected = session.select(WHOLE)
    held = session.embeddings.hold(selected) if kept else None
    assert (held is not None) == (kept and cache_bytes > 1)
    docs = np.array([2, 3, 30, 59], np.uint64)
    block = session.embeddings.take(selected, docs)
    assert sorted(block.doc.tolist()) == docs.tolist()
    for row, doc in enumerate(block.doc.tolist()):
        features, values = block.row(row)
        assert np.array_equal(features, np.flatnonzero(made.embeddings()[doc]))
        assert np.array_equal(values, made.embeddings()[doc][features])


def test_what_is_left_out_is_not_read(made: MadeLake) -> None:
    session = session_of(made, 1)
    selected = session.select(WHOLE)
    collection = selected.collection
    left_out = {i for segment in collection.segments for i in segment.covers}
    blocks = session.embeddings.map(selected, _itself, without=left_out)
    found = {doc for block in blocks for doc in block.doc.tolist()}
    rest = session.embeddings.map(selected, _itself, without=set(collection.unindexed))
    assert found.isdisjoint(doc for block in rest for doc in block.doc.tolist())
    assert len(found) == 20


def _itself(block: Block) -> Block:
    return block


def test_what_surely_does_not_fit_is_not_read(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    task = embeddings._OnPiece.__call__

    def seen(self: embeddings._OnPiece[Block], source: Piece) -> list[Block]:
        read.extend(source.fragments)
        found: list[Block] = task(self, source)
        return found

    monkeypatch.setattr(embeddings._OnPiece, "__call__", seen)
    session = session_of(made, 600)
    assert session.embeddings.hold(session.select(WHOLE)) is None
    assert len(read) == 1
    assert session.embeddings.hold(session.select(WHOLE)) is None  # which is known now
    assert len(read) == 1


def test_streams_are_of_small_pieces(made: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saelake.store.codes.executor.STREAM_BYTES", 1)
    monkeypatch.setattr(embeddings, "BLOCK_BYTES", 1)
    monkeypatch.setattr("saelake.store.codes.embeddings.SCAN_ROWS", 4)
    session = session_of(made, 1)
    selected = session.select(WHOLE)
    sizes = list(session.embeddings.map(selected, len))
    assert sum(sizes) == 60
    assert max(sizes) <= 4
