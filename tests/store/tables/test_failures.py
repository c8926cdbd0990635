"""Disks and object stores that fail: one line that names the lake and the remedy, and no wreck."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from socket import create_server

import numpy as np
import pyarrow as pa
import pytest

from saelake.store.errors import (
    AccessDenied,
    NotFound,
    OutOfSpace,
    SaelakeError,
    Unavailable,
)
from saelake.store.lake.lake import Lake
from saelake.store.tables.changes import Change
from saelake.store.tables.files import list_files, read_bytes, write_bytes
from saelake.store.tables.objectstore import S3
from saelake.store.tables.tables import Table, overwrite
from tests.client.cli.command import run
from tests.conftest import SMALL_DISK_BYTES
from tests.proxy import Fault, Proxy, none

SCHEMA = pa.schema([("n", pa.int64())])
NOBODY = 65_534


def rows(n: int = 3) -> pa.RecordBatch:
    numbers = np.random.default_rng(0).integers(0, 1 << 62, n)  # so that they do not compress
    return pa.record_batch([pa.array(numbers)], schema=SCHEMA)


def add(table: Table, batch: pa.RecordBatch) -> Table:
    draft = table.write([batch])
    return table.commit(lambda _: Change(add=draft))


Step = Callable[[str, Table], object]
READS: dict[str, Step] = {
    "open": lambda lake, _: Table.open(f"{lake}/t.lance"),
    "look for a newer one": lambda _, table: table.latest(),
    "take": lambda _, table: table.take([0], ["n"]),
    "scan": lambda _, table: list(table.scan(["n"])),
    "filter": lambda _, table: list(table.scan(["n"], where="n > 0")),
    "list": lambda lake, _: Lake(lake).tables(),
    "read a file": lambda lake, _: read_bytes(f"{lake}/file"),
    "list files": lambda lake, _: list_files(lake),
}
WRITES: dict[str, Step] = {
    "write": lambda _, table: table.write([rows()]),
    "create": lambda lake, _: Table.open_or_create(f"{lake}/new.lance", SCHEMA),
    "overwrite": lambda lake, _: overwrite(f"{lake}/t.lance", pa.Table.from_batches([rows()])),
    "put a file": lambda lake, _: write_bytes(f"{lake}/file", b"1"),
}


def failing(step: Step, lake: str, table: Table) -> SaelakeError:
    """The error that a step ends with; it is one line, and names the lake."""
    with pytest.raises(SaelakeError) as raised:
        step(lake, table)
    message = str(raised.value)
    assert message.startswith(lake)
    assert "\n" not in message
    return raised.value


SLOW = {"open", "look for a newer one", "create", "overwrite"}  # Lance asks again for seconds


def steps(known: dict[str, Step]) -> list[object]:
    """Steps as parameters of a test."""
    marks = {name: [pytest.mark.slow] if name in SLOW else [] for name in known}
    return [pytest.param(step, id=name, marks=marks[name]) for name, step in known.items()]


@pytest.mark.parametrize("step", steps({**READS, **WRITES}))
def test_who_may_do_nothing_is_told_what_he_needs(proxy: Proxy, bucket: str, step: Step) -> None:
    lake = f"{bucket}/lake"
    table = add(Table.open_or_create(f"{lake}/t.lance", SCHEMA), rows())
    proxy.choose = lambda *_: Fault.DENIED
    error = failing(step, lake, table)
    assert isinstance(error, AccessDenied)
    assert "refuses access" in error.message
    assert "credentials" in error.message


@pytest.mark.parametrize("step", steps(WRITES))
def test_a_bucket_that_may_only_be_read_stays_as_it_was(
    proxy: Proxy, bucket: str, step: Step
) -> None:
    lake = f"{bucket}/lake"
    table = add(Table.open_or_create(f"{lake}/t.lance", SCHEMA), rows())
    proxy.choose = lambda method, _: Fault.DENIED if method in ("PUT", "POST") else None
    assert isinstance(failing(step, lake, table), AccessDenied)
    assert Lake(lake).tables() == ["t"]
    assert Table.open(f"{lake}/t.lance").version == table.version
    assert list_files(lake) == []
    proxy.choose = none
    step(lake, table)


@pytest.mark.parametrize("step", ["open", "list", "put a file"])
def test_a_store_that_is_not_there_is_given_up(
    bucket: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with pytest.raises(Unavailable, match=f"{bucket}/lake.*:{port} does not answer.*AWS_ENDPOINT"):
        ({**READS, **WRITES}[step])(f"{bucket}/lake", None)  # type: ignore[arg-type]  # unread


def test_a_store_of_no_such_name_is_given_up(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store.invalid")
    with pytest.raises(Unavailable, match=r"store\.invalid does not answer"):
        Lake(bucket).tables()


def test_a_bucket_that_is_not_there_is_named(bucket: str) -> None:
    for step in (READS["open"], WRITES["put a file"]):
        with pytest.raises(NotFound, match=r"has no bucket 'none-such'\. Make it"):
            step("s3://none-such/lake", None)  # type: ignore[arg-type]  # unread


def test_missing_credentials_are_named(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    with pytest.raises(AccessDenied, match=r"no credentials .* AWS_ACCESS_KEY_ID"):
        Table.open(f"{bucket}/t.lance")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    with pytest.raises(NotFound, match="no table"):
        Table.open(f"{bucket}/t.lance")


def test_the_command_line_says_it_in_a_line(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    ran = run("info", "--lake", f"{bucket}/lake")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"Error: {bucket}/lake")
    assert ": http://127.0.0.1:1 does not answer (" in ran.err
    assert ran.err.count("\n") == 1


def test_variables_that_name_a_store() -> None:
    both = {"AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_S3": "https://b/"}
    assert S3.of(both) == S3(endpoint="https://b", region="us-east-1")
    assert S3.of({"AWS_DEFAULT_REGION": "eu-west-3"}) == S3(region="eu-west-3")
    assert S3.of({"AWS_REGION": "r", "AWS_DEFAULT_REGION": "s"}).region == "r"
    assert S3.of({"AWS_SKIP_SIGNATURE": "True"}).anonymous
    assert S3.of({"AWS_ENDPOINT_URL": "http://a:1"}).lance_options()["allow_http"] == "true"
    assert S3.of({"AWS_ENDPOINT_URL": "https://a"}).lance_options()["allow_http"] == "false"


# As another user than root, whom no permission stops; what it needs is imported before.
READ_ONLY = """
import os, sys
import pyarrow as pa
from saelake.store.errors import AccessDenied
from saelake.store.tables.files import write_bytes
from saelake.store.tables.tables import Change, Draft, Table, overwrite
folder, nobody = sys.argv[1], int(sys.argv[2])
if os.getuid() == 0:
    os.setgroups([]), os.setgid(nobody), os.setuid(nobody)
table = Table.open(f"{folder}/t.lance")
steps = [
    lambda: table.write([pa.record_batch([pa.array([1])], schema=table.schema)]),
    lambda: table.commit(lambda _: Change(add=Draft(()))),
    lambda: Table.open_or_create(f"{folder}/new.lance", table.schema),
    lambda: overwrite(f"{folder}/t.lance", pa.table({"n": [1]})),
    lambda: write_bytes(f"{folder}/jobs/1", b"1"),
]
for step in steps:
    try:
        step()
    except AccessDenied as error:
        print(error)
print(sum(batch.num_rows for batch in table.scan(["n"])))
"""


def test_a_lake_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    add(Table.open_or_create(f"{lake}/t.lance", SCHEMA), rows())
    for path in [lake, *lake.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_mode & 0o005 != 0o005:
            path.chmod(0o755)
    command = [sys.executable, "-c", READ_ONLY, str(lake), str(NOBODY)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    *errors, n_rows = ran.stdout.splitlines()
    assert n_rows == "3"
    assert len(errors) == 5
    expected = "cannot be used: permission denied. Give this user the right to it"
    assert all(line.startswith(str(lake)) and expected in line for line in errors), errors
    lake.chmod(0o755)
    assert sorted(path.name for path in lake.iterdir()) == ["t.lance"]


def test_a_full_disk_is_said_and_writing_goes_on_when_there_is_room(small_disk: Path) -> None:
    uri = f"{small_disk}/t.lance"
    table = add(Table.open_or_create(uri, SCHEMA), rows())
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(SMALL_DISK_BYTES // 2))
    large = rows(SMALL_DISK_BYTES // 2 // 8)
    for step in (lambda: table.write([large]), lambda: write_bytes(f"{uri}.x", bytes(1 << 20))):
        with pytest.raises(OutOfSpace, match=r"t\.lance.*no space is left.*run the same command"):
            step()
    assert Table.open(uri).version == table.version
    assert sorted(path.name for path in small_disk.iterdir()) == ["ballast", "t.lance"]
    ballast.unlink()
    assert add(table, large).n_rows == 3 + large.num_rows


def test_a_commit_on_a_full_disk_is_not_seen(small_disk: Path) -> None:
    uri = f"{small_disk}/t.lance"
    table = add(Table.open_or_create(uri, SCHEMA), rows())
    draft = table.write([rows()])
    ballast = small_disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(OutOfSpace):
        table.commit(lambda _: Change(add=draft))
    assert Table.open(uri).version == table.version
    ballast.unlink()
    assert table.commit(lambda _: Change(add=draft)).n_rows == 6


# With room for few pages in memory, so that the temporary file is written soon.
CLAIMS = """
from saelake.store.documents import scratch
from saelake.store.errors import OutOfSpace
scratch.CACHE_KIB = 64
with scratch.Scratch() as claims:
    try:
        for first in range(0, 1_000_000, 1000):
            claims.claim([f"document number {first + i}" for i in range(1000)], range(1000))
    except OutOfSpace as error:
        print(error)
"""


def test_a_full_disk_for_temporary_files_is_said(small_disk: Path) -> None:
    variables = {**os.environ, "SQLITE_TMPDIR": str(small_disk)}
    ran = subprocess.run(
        [sys.executable, "-c", CLAIMS], env=variables, capture_output=True, text=True, timeout=60
    )
    assert ran.stdout.startswith("No space is left for the temporary file"), ran.stderr
    assert "SQLITE_TMPDIR" in ran.stdout
