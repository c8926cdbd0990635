"""What the tests that kill share: the parts of lakes, and the count of kills at the end."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.system.builders import Parts, ready_to_fork
from tests.system.kills import Tally, table
from tests.tiny import save_corpus, save_dictionary, save_model

_TALLY = pytest.StashKey[Tally]()
N_FILES = 3


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Tally:
    """Where kills are counted."""
    return pytestconfig.stash.setdefault(_TALLY, Tally())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if tally := config.stash.get(_TALLY, None):
        terminalreporter.section("kills by what the process was doing")
        for line in table(tally):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def forks() -> Iterator[None]:
    """A process to fork builders from."""
    with ready_to_fork():
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, forks: None) -> Parts:
    """A model with random weights, and 120 short documents."""
    folder = tmp_path_factory.mktemp("tiny")
    table = pq.read_table(save_corpus(folder / "corpus.parquet", 120, longest=20))
    return Parts(
        model=save_model(folder / "model"),
        dictionary=save_dictionary(folder / "sae"),
        files=split(table, folder),
        n_documents=len(table),
    )


def split(documents: pa.Table, folder: Path) -> tuple[Path, ...]:
    """The documents in several files, of different sizes."""
    bounds = [len(documents) * i * i // N_FILES**2 for i in range(N_FILES + 1)]
    files = [folder / f"{i}.parquet" for i in range(N_FILES)]
    for file, (first, stop) in zip(files, pairwise(bounds), strict=True):
        pq.write_table(documents.slice(first, stop - first), file)
    return tuple(files)
