"""A process that computes: where it stands in line, and that it ends with who started it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from saelake.store.requests.info import InfoQuery
from saelake.store.service.lanes import parcels
from saelake.store.service.lanes.asking import Asking
from saelake.store.service.lanes.child import MODULE
from saelake.store.service.lanes.parcels import ChildSettings, Kind, pickled
from tests.lakes import make_lake

ORDER = pickled(Kind.ASK, Asking(request=InfoQuery()))
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc says what processes do")


@pytest.fixture
def settings(tmp_path: Path) -> bytes:
    made = make_lake(tmp_path / "lake", n_documents=5)
    return pickled(Kind.SETTINGS, ChildSettings(uri=made.lake.uri, kept_bytes=1 << 20))


@pytest.fixture
def child() -> "Iterator[subprocess.Popen[bytes]]":
    command = [sys.executable, "-m", MODULE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as found:
        yield found
        found.kill()


def send(child: "subprocess.Popen[bytes]", parcel: bytes) -> None:
    assert child.stdin is not None
    child.stdin.write(parcel)
    child.stdin.flush()


def became_ready(child: "subprocess.Popen[bytes]", settings: bytes) -> bool:
    send(child, settings)
    assert child.stdout is not None
    return parcels.read(child.stdout) == (Kind.READY, b"")  # type: ignore[arg-type]  # it is one


def code_after_the_input(child: "subprocess.Popen[bytes]") -> int:
    assert child.stdin is not None
    child.stdin.close()
    return child.wait(60)


def test_it_is_behind_who_serves_and_before_jobs(
    child: "subprocess.Popen[bytes]", settings: bytes
) -> None:
    assert became_ready(child, settings)
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == min(os.nice(0) + 10, 19)
    assert Path(f"/proc/{child.pid}/oom_score_adj").read_text().strip() == "800"


@pytest.mark.parametrize("n_bytes", [0, 3, 20], ids=["between", "in its head", "in its contents"])
def test_it_ends_with_its_input_also_within_a_parcel(
    child: "subprocess.Popen[bytes]", settings: bytes, n_bytes: int
) -> None:
    assert became_ready(child, settings)
    send(child, ORDER[:n_bytes])
    assert code_after_the_input(child) == 0


def test_it_ends_with_its_input_before_it_knows_its_lake(
    child: "subprocess.Popen[bytes]", settings: bytes
) -> None:
    send(child, settings[:20])
    assert code_after_the_input(child) == 0


def test_it_ends_with_an_order_that_cannot_be_read(
    child: "subprocess.Popen[bytes]", settings: bytes
) -> None:
    assert became_ready(child, settings)
    send(child, parcels.packed(Kind.ASK, b"no pickle"))
    assert child.wait(60) == 1
