"""Object stores and small disks for every test that asks for one, and what holds for all tests."""

import gc
import os
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from tests.buckets import lead_to
from tests.proxy import Proxy, proxied
from tests.s3 import client, s3_server

SMALL_DISK_BYTES = 1 << 20
_numbers = count()

# Small models gain nothing from a second thread, which waits by spinning: 30 times the processor
# time where the cores are busy. It is set before torch is imported, for other processes too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# An example that took long says how busy the machine was: no property is about time.
settings.register_profile("saelake", settings.default, deadline=None)
settings.load_profile("saelake")


def pytest_collection_finish() -> None:
    """Garbage is not looked for in what was imported, which stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of a new bucket, which the variables of this process lead to."""
    name = f"bucket-{next(_numbers)}"
    client(s3_endpoint).create_bucket(Bucket=name)
    lead_to(s3_endpoint, monkeypatch)
    return f"s3://{name}"


@pytest.fixture
def proxy(bucket: str, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before the bucket, which this process's variables lead to; it does nothing yet."""
    with proxied(s3_endpoint) as (endpoint, proxy):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield proxy


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={SMALL_DISK_BYTES}"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode != 0:
        pytest.skip(f"no disk may be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
