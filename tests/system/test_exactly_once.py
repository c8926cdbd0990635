"""Encoding that is killed, and encoding twice at once: no document is lost, none is doubled."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from saelake.store.documents import Documents, import_documents
from saelake.store.engine import Engine
from saelake.store.errors import NotFound
from saelake.store.indexing import index
from saelake.store.lake import CollectionName, Lake
from saelake.store.requests import CodesQuery, VerifyQuery
from saelake.store.tables import Table
from saelake.workers.corpus import open_source
from tests.tiny import save_corpus, save_dictionary, save_model

N_DOCUMENTS = 120
NAME = CollectionName("made", "sae")
PATIENCE_S = 120
# One document a shard, and a little rest after each, so that a kill falls between any two steps.
ENCODE = """
import sys, time
from saelake.store.lake import Lake
from saelake.workers.run import DictionaryChoice, EncodeOptions, encode
lake, folder = sys.argv[1:]
encode(
    Lake(lake), "made", model=f"{folder}/model",
    dictionaries=[DictionaryChoice(location=f"{folder}/sae")],
    options=EncodeOptions(shard_documents=1), on_progress=lambda _: time.sleep(0.01),
)
"""
IMPORT = """
import sys
from saelake.store.documents import import_documents
from saelake.store.lake import Lake
from saelake.workers.corpus import open_source
lake, corpus = sys.argv[1:]
import_documents(Lake(lake), "made", open_source(corpus))
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "model")
    save_dictionary(folder / "sae")
    save_corpus(folder / "corpus.parquet", N_DOCUMENTS, longest=20)
    started(ENCODE, whole(folder), folder).wait(PATIENCE_S)
    return folder


def whole(folder: Path) -> Path:
    """A lake to be encoded without interruption."""
    import_documents(
        Lake(str(folder / "whole")), "made", open_source(str(folder / "corpus.parquet"))
    )
    return folder / "whole"


def started(script: str, lake: Path, second: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", script, str(lake), str(second)], env=environment)


def n_encoded(lake: Path) -> int:
    try:
        return Table.open(Lake(str(lake)).codes(NAME)).n_rows
    except NotFound:
        return 0


def codes(lake: Path) -> pa.Table:
    return Engine(str(lake)).ask(CodesQuery(collection=str(NAME))).read_all()


def assert_whole(lake: Path, parts: Path) -> None:
    """The lake has what an uninterrupted run makes, and its tables agree."""
    index(Lake(str(lake)), NAME)
    checks = Engine(str(lake)).ask(VerifyQuery()).read_all().to_pylist()
    assert [check for check in checks if not check["ok"]] == []
    assert n_encoded(lake) == N_DOCUMENTS
    assert codes(lake).equals(codes(parts / "whole"))


def kill_when(process: subprocess.Popen[bytes], lake: Path, n_more: int) -> bool:
    """Kill it once it has encoded so many documents more; whether it was still running."""
    goal, deadline = n_encoded(lake) + n_more, time.monotonic() + PATIENCE_S
    while process.poll() is None and n_encoded(lake) < goal:
        assert time.monotonic() < deadline, "the encode hangs"
        time.sleep(0.001 * random.random())
    process.send_signal(signal.SIGKILL)
    return process.wait(PATIENCE_S) == -signal.SIGKILL


def encode_through_kills(lake: Path, parts: Path, n_kills: int) -> None:
    n_killed = 0
    while n_killed < n_kills:
        process = started(ENCODE, lake, parts)
        assert kill_when(process, lake, n_more=max(N_DOCUMENTS // (n_kills + 2), 1))
        n_killed += 1
        assert 0 < n_encoded(lake) < N_DOCUMENTS
    assert started(ENCODE, lake, parts).wait(PATIENCE_S) == 0
    assert_whole(lake, parts)


def new_lake(folder: Path, parts: Path) -> Path:
    import_documents(Lake(str(folder)), "made", open_source(str(parts / "corpus.parquet")))
    return folder


def test_a_killed_encode_continues(tmp_path: Path, parts: Path) -> None:
    encode_through_kills(new_lake(tmp_path / "lake", parts), parts, n_kills=1)


@pytest.mark.slow
def test_an_encode_that_is_killed_again_and_again_ends_whole(tmp_path: Path, parts: Path) -> None:
    encode_through_kills(new_lake(tmp_path / "lake", parts), parts, n_kills=12)


def test_two_encodes_at_once_store_each_document_once(tmp_path: Path, parts: Path) -> None:
    lake = new_lake(tmp_path / "lake", parts)
    both = [started(ENCODE, lake, parts) for _ in range(2)]
    assert [process.wait(PATIENCE_S) for process in both] == [0, 0]
    assert_whole(lake, parts)


@pytest.mark.slow
def test_an_import_that_is_killed_leaves_nothing_or_all(tmp_path: Path) -> None:
    corpus = save_corpus(tmp_path / "corpus.parquet", 60_000)
    lake = Lake(str(tmp_path / "lake"))
    for attempt in range(12):
        process = started(IMPORT, tmp_path / "lake", corpus)
        time.sleep(0.5 + 0.1 * attempt)
        process.kill()
        process.wait(PATIENCE_S)
        try:
            assert Documents.open(lake, "made").n_documents == 60_000
        except NotFound:
            continue
    assert started(IMPORT, tmp_path / "lake", corpus).wait(PATIENCE_S) == 0
    assert Documents.open(lake, "made").n_documents == 60_000
