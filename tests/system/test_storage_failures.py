"""A disk that is full, a bucket that refuses, a store that goes away: in the middle of an ingest.

Each ends it with one line that says why; nothing half-written is seen; and when the cause is gone
the same command ends as if there had been none.
"""

import shutil
from itertools import count
from pathlib import Path

import pytest

import saelake
from tests.client.cli.command import run
from tests.proxy import Choice, Fault, Proxy, none
from tests.tiny import save_corpus, save_dictionary, save_model

N_DOCUMENTS = 30


def slow(value: int) -> object:
    """The same at another moment, among the slow tests."""
    return pytest.param(value, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "llama")
    save_dictionary(folder / "sae")
    save_corpus(folder / "words.parquet", N_DOCUMENTS, longest=12)
    return folder


def ingest(lake: str, parts: Path) -> list[str]:
    made_of = ["--model", str(parts / "llama"), "--dictionary", str(parts / "sae")]
    return ["ingest", str(parts / "words.parquet"), "--lake", lake, *made_of]


def assert_ends_well(lake: str, parts: Path) -> None:
    assert run(*ingest(lake, parts)).code == 0
    opened = saelake.connect(lake)
    assert opened.verify().ok
    (row,) = opened.info()
    assert row.n_documents == row.n_encoded == row.n_indexed == N_DOCUMENTS


def complaint(command: list[str]) -> str:
    """The last line of standard error of a command that fails, without a traceback."""
    ran = run(*command)
    assert ran.code == 1, ran.err
    assert "Traceback" not in ran.err
    return ran.err.splitlines()[-1]


@pytest.mark.parametrize("room_bytes", [50_000, *map(slow, (0, 120_000))])
def test_a_disk_that_is_full(small_disk: Path, parts: Path, room_bytes: int) -> None:
    lake, ballast = f"{small_disk}/lake", small_disk / "ballast"
    fill(ballast, room_bytes)
    said = complaint(ingest(lake, parts))
    assert said.startswith(f"Error: {lake}/")
    assert "no space is left on the disk. Free some" in said
    ballast.unlink()
    assert_ends_well(lake, parts)


def fill(ballast: Path, room_bytes: int) -> None:
    """Leave so much room on a disk."""
    free = shutil.disk_usage(ballast.parent).free
    ballast.write_bytes(bytes(free - room_bytes))


def after(n: int, method: str, fault: Fault) -> Choice:
    """From the n-th request of this method on, the fault befalls all of them."""
    seen = count()
    return lambda m, _: fault if m == method and next(seen) >= n else None


@pytest.mark.parametrize("n", [9, *map(slow, (0, 3, 16))])
def test_a_bucket_that_refuses_to_be_written(
    proxy: Proxy, bucket: str, parts: Path, n: int
) -> None:
    lake = f"{bucket}/lake"
    proxy.choose = after(n, "PUT", Fault.DENIED)
    said = complaint(ingest(lake, parts))
    assert said.startswith(f"Error: {lake}/")
    assert "refuses access (403 Forbidden)" in said
    proxy.choose = none
    assert_ends_well(lake, parts)


@pytest.mark.slow
def test_a_store_that_goes_away(proxy: Proxy, bucket: str, parts: Path) -> None:
    lake = f"{bucket}/lake"
    proxy.choose = after(9, "PUT", Fault.CLOSED)
    said = complaint(ingest(lake, parts))
    assert said.startswith(f"Error: {lake}/")
    assert "does not answer" in said
    proxy.choose = none
    assert_ends_well(lake, parts)
