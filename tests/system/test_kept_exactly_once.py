"""An encode that is killed between its commits leaves no codes without their activations."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import saelake
from saelake.lake import Lake
from saelake.store.tables.tables import Table
from saelake.workers.encoder.options import KeepOptions
from saelake.workers.fleet.options import EncodeOptions
from tests.tiny import save_corpus, save_dictionary, save_model

N_DOCUMENTS = 30
PATIENCE_S = 300
# The process dies where a commit would be its n-th: of two tables, in groups of shards.
ENCODE = """
import os, signal, sys
from saelake.store.lake.lake import Lake
from saelake.store.growth.shards import ShardCommitter
from saelake.workers.encoder.options import KeepOptions
from saelake.workers.run import DictionaryChoice, EncodeOptions, encode
lake, folder, size, n = sys.argv[1:]
commit, left = ShardCommitter.commit, iter(range(int(n)))
def mortal(self, shards):
    if next(left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return commit(self, shards)
ShardCommitter.commit = mortal
encode(
    Lake(lake), "made", model=f"{folder}/model",
    dictionaries=[DictionaryChoice(location=f"{folder}/sae")],
    options=EncodeOptions(shard_documents=int(size), keep_activations=KeepOptions(fraction=0.3)),
)
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "model")
    save_dictionary(folder / "sae")
    save_corpus(folder / "corpus.parquet", N_DOCUMENTS, longest=20)
    imported(folder / "whole", folder).encode(
        "made",
        model=str(folder / "model"),
        dictionary=str(folder / "sae"),
        options=EncodeOptions(keep_activations=KeepOptions(fraction=0.3)),
    )
    return folder


def imported(folder: Path, parts: Path) -> Lake:
    lake = saelake.connect(folder)
    lake.import_corpus(str(parts / "corpus.parquet"), "made")
    return lake


def run(lake: Lake, parts: Path, *, size: int, n: int) -> int:
    """Encode until the n-th commit; the exit code."""
    command = [sys.executable, "-c", ENCODE, lake.uri, str(parts), str(size), str(n)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, timeout=PATIENCE_S, check=False).returncode


def activations(lake: Lake) -> pa.Table:
    return lake["made/sae"].activations().to_arrow().read_all()


@pytest.mark.parametrize("n", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 2, 3))])
def test_a_run_killed_before_any_commit_ends_whole(tmp_path: Path, parts: Path, n: int) -> None:
    lake = imported(tmp_path / "lake", parts)
    assert run(lake, parts, size=10, n=n) == -signal.SIGKILL
    if n == 1:  # between the two commits of the first shards
        assert lake.collections() == []
        store = Table.open(f"{lake.uri}/made--sae.activations.lance")
        assert store.n_rows > 0
    # Other shards than before: they must not be taken for those that are there.
    assert run(lake, parts, size=7, n=100) == 0
    whole = saelake.connect(parts / "whole")
    for column in ("doc", "position", "token_id"):
        assert activations(lake)[column].equals(activations(whole)[column])
    places = ["doc", "position", "feature"]
    found, expected = (at["made/sae"].codes().read_all().select(places) for at in (lake, whole))
    assert found.equals(expected)
    (row,) = lake.info()
    assert row.n_encoded == N_DOCUMENTS
