"""Importing and encoding take memory by their settings, not by the size of the corpus."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from saelake.store.documents.documents import import_documents
from saelake.store.lake.lake import Lake
from saelake.workers.corpus import open_source
from tests.tiny import WORDS, save_corpus, save_dictionary, save_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc"),
]

MIB = 1 << 20
# Not ru_maxrss: it begins with the peak of the process that started this one.
PEAK = """
def kept(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) << 10
def peak():
    return kept("VmHWM")
def resident():
    return kept("VmRSS")
"""
IMPORT = """
import sys
from saelake.store.documents.documents import import_documents
from saelake.store.lake.lake import Lake
from saelake.workers.corpus import open_source
lake, small, large = sys.argv[1:]
import_documents(Lake(lake), "small", open_source(small))
before = peak()
import_documents(Lake(lake), "large", open_source(large))
print(peak() - before)
"""
ENCODE = """
import sys, torch
from saelake.store.lake.lake import Lake
from saelake.workers.run import DictionaryChoice, EncodeOptions, encode
torch.set_num_threads(1)
lake, folder = sys.argv[1:]
peaks = {}
encode(
    Lake(lake), "made", model=f"{folder}/model",
    dictionaries=[DictionaryChoice(location=f"{folder}/sae")],
    options=EncodeOptions(memory_bytes=32 << 20, shard_documents=500),
    on_progress=lambda progress: peaks.update({progress.n_documents: peak()}),
)
first = next(taken for n_documents, taken in peaks.items() if n_documents >= 1000)
print(peak() - first)
"""

WIDE = """
import sys, torch
from saelake.store.lake.lake import Lake
from saelake.workers.run import DictionaryChoice, EncodeOptions, encode
torch.set_num_threads(1)
lake, folder, sae = sys.argv[1:]
before = resident()
encode(
    Lake(lake), "made", model=f"{folder}/model", dictionaries=[DictionaryChoice(location=sae)],
    options=EncodeOptions(memory_bytes=32 << 20, shard_documents=100),
)
print(peak() - before)
"""


def growth(script: str, *arguments: Path) -> int:
    """What the script measures, in bytes."""
    command = [sys.executable, "-c", PEAK + script, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


def texts(n: int) -> list[str]:
    """Texts of 4 KiB that do not compress well."""
    random = np.random.default_rng(0)
    return [random.bytes(2 << 10).hex() for _ in range(n)]


def save_parquet(path: Path, n: int) -> None:
    """One row group, whatever its size."""
    table = pa.table({"text": texts(n)})
    pq.write_table(table, path, row_group_size=n, compression="none", use_dictionary=False)


def save_jsonl(path: Path, n: int) -> None:
    with path.open("w") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts(n))


def save_csv(path: Path, n: int) -> None:
    with path.open("w") as file:
        file.write("text\n")
        file.writelines(text + "\n" for text in texts(n))


def save_texts(path: Path, n: int) -> None:
    path.mkdir()
    for number, text in enumerate(texts(n)):
        (path / f"{number}.txt").write_text(text)


# pyarrow reads 32 blocks of a MiB ahead in a CSV; of JSON lines there are two of 16 MiB, parsed.
WRITERS: dict[str, tuple[Callable[[Path, int], object], int, int]] = {
    "rows.parquet": (save_parquet, 100_000, 90 * MIB),
    "rows.jsonl": (save_jsonl, 100_000, 190 * MIB),
    "rows.csv": (save_csv, 100_000, 130 * MIB),
    "texts": (save_texts, 30_000, 85 * MIB),  # the list of the files is in memory
}


@pytest.mark.parametrize("name", WRITERS)
def test_an_import_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    """Texts of 4 KiB: 390 MiB in one file, 120 MiB in a folder."""
    write, n_texts, most = WRITERS[name]
    small, large = tmp_path / f"small {name}", tmp_path / f"large {name}"
    write(small, 20)
    write(large, n_texts)
    for attempt in ("one", "two"):  # what is left to chance shows in one of some attempts
        assert growth(IMPORT, tmp_path / attempt, small, large) < most


def test_an_encode_of_eight_times_the_corpus_takes_no_more(tmp_path: Path) -> None:
    save_model(tmp_path / "model")
    save_dictionary(tmp_path / "sae")
    corpus = save_corpus(tmp_path / "corpus.parquet", 8000)
    lake = Lake(str(tmp_path / "lake"))
    import_documents(lake, "made", open_source(str(corpus)))
    assert growth(ENCODE, tmp_path / "lake", tmp_path) < 24 * MIB


def test_an_encode_of_long_documents_takes_no_more(tmp_path: Path) -> None:
    save_model(tmp_path / "model")
    save_dictionary(tmp_path / "sae")
    random = np.random.default_rng(0)
    lake = Lake(str(tmp_path / "lake"))
    long = [" ".join(random.choice(WORDS[4:], 3000)) for _ in range(400)]
    short = ["w1 w2"] * 1000
    pq.write_table(pa.table({"text": short + long}), tmp_path / "corpus.parquet")
    import_documents(lake, "made", open_source(str(tmp_path / "corpus.parquet")))
    # 400 documents have 1.2 million tokens and 7.2 million codes: 90 MiB of packed rows.
    assert growth(ENCODE, tmp_path / "lake", tmp_path) < 80 * MIB


def test_an_encode_of_a_million_features_takes_only_their_weights_more(tmp_path: Path) -> None:
    save_model(tmp_path / "model")
    corpus = save_corpus(tmp_path / "corpus.parquet", 60, longest=10)
    taken = {}
    for d_sae in (1 << 12, 1 << 20):
        sae = save_dictionary(tmp_path / f"sae{d_sae}", d_sae=d_sae)
        lake = Lake(str(tmp_path / f"lake{d_sae}"))
        import_documents(lake, "made", open_source(str(corpus)))
        weights = (sae / "sae_weights.safetensors").stat().st_size
        taken[d_sae] = growth(WIDE, tmp_path / f"lake{d_sae}", tmp_path, sae) - weights
    assert taken[1 << 20] - taken[1 << 12] < 48 * MIB
