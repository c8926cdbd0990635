"""A merge takes memory by its setting, not by the size of the segments."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from saelake.store.format.schema import postings_schema
from saelake.store.index.layout import PostingsBlock
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table
from tests.lakes import settings

MIB = 1 << 20
MEMORY = 32 * MIB
CONSTANT = 96 * MIB  # what Lance holds of rows that it writes, and of pages that it reads
N_FEATURES = 500
MERGE = """
import sys
from saelake.store.index.merge import SegmentMerger
from saelake.store.index.segments import PostingsTable
from saelake.store.tables.tables import Table
def kept(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) << 10
def merge(uri):
    table = Table.open(uri)
    SegmentMerger(table=table, memory_bytes=int(sys.argv[3]))(PostingsTable(table).segments)
merge(sys.argv[1])
before = kept("VmHWM")
merge(sys.argv[2])
print(kept("VmHWM") - before)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc"),
]


def make(uri: Path, n_segments: int, n_documents: int) -> None:
    """Segments in which each feature fires in every second document or so."""
    schema = postings_schema(settings(n_features=N_FEATURES))
    table = Table.open_or_create(str(uri), schema)
    random = np.random.default_rng(0)
    for number in range(n_segments):
        docs = [np.flatnonzero(random.random(n_documents) < 0.5) for _ in range(N_FEATURES)]
        block = PostingsBlock.empty(0, np.array([len(d) for d in docs]), np.uint16)
        block.ends[:] = np.append(block.begins[1:], len(block.doc))
        block.doc[:] = np.concatenate(docs) + number * n_documents
        for column in (block.max, block.position, block.token, block.start, block.length):
            column[:] = random.integers(1, 1000, len(column))
        draft = table.write(block.batches(schema, [number + 1]), one_fragment=True)
        table = commit(table, Change(add=draft))


def commit(table: Table, change: Change) -> Table:
    return table.commit(lambda _: change)


def test_merging_takes_memory_by_its_setting(tmp_path: Path) -> None:
    """Of 12 million postings, 400 MiB as they are read and written, after some of 1.5 million."""
    make(tmp_path / "small.lance", 2, 3000)
    make(tmp_path / "large.lance", 8, 6000)
    arguments = [str(tmp_path / "small.lance"), str(tmp_path / "large.lance"), str(MEMORY)]
    done = subprocess.run(
        [sys.executable, "-c", MERGE, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    assert int(done.stdout) < MEMORY + CONSTANT
