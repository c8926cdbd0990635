"""A server that ends under load costs its clients a moment, and no answer."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

import saelake
from saelake import aio
from saelake.store.errors import Unavailable
from tests.lakes import MadeLake, make_lake

NAME = "made/random"
ENDS_AFTER = 20  # answers, before a server is ended


@dataclass
class Process:
    """A server as a process of its own."""

    process: "subprocess.Popen[str]"
    address: str

    def kill(self) -> None:
        """End it without a chance to say so."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


def serve(uri: str, port: str = "0") -> Process:
    command = [sys.executable, "-m", "saelake", "serve", "--lake", uri, "--port", port]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "Serving" in line, line
    return Process(process, line.rpartition(" on ")[2].partition(". Ask")[0])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("served") / "lake", n_documents=60, seed=3)


@pytest.fixture
def two(made: MadeLake) -> Iterator[list[Process]]:
    with ThreadPoolExecutor(2) as pool:
        processes = list(pool.map(serve, [made.lake.uri] * 2))
    yield processes
    for each in processes:
        if each.process.poll() is None:
            each.kill()


def target(servers: list[Process]) -> str:
    return f"grpc://{','.join(each.address for each in servers)}"


def test_a_killed_server_costs_no_answer(two: list[Process], made: MadeLake) -> None:
    expected = saelake.connect(made.lake.uri)[NAME].tokens(3, k=None)
    with saelake.connect(target(two)) as lake, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(lake[NAME].tokens, 3, k=None) for _ in range(10 * ENDS_AFTER)]
        asked[ENDS_AFTER].result()
        two[0].kill()
        assert all(each.result() == expected for each in asked)


def test_nor_does_one_that_is_awaited(two: list[Process], made: MadeLake) -> None:
    asyncio.run(_awaited(two, made))


async def _awaited(two: list[Process], made: MadeLake) -> None:
    expected = saelake.connect(made.lake.uri)[NAME].tokens(3, k=None)
    async with aio.connect(target(two)) as lake:
        asked = [asyncio.create_task(lake[NAME].tokens(3, k=None)) for _ in range(3 * ENDS_AFTER)]
        await asked[ENDS_AFTER]
        two[1].kill()
        assert all(found == expected for found in await asyncio.gather(*asked))


def test_servers_take_turns(two: list[Process]) -> None:
    with saelake.connect(target(two)) as lake:
        lake.info()
        for each in two:
            each.kill()
            if each is two[0]:
                assert lake.collections() == [NAME]
        with pytest.raises(Unavailable):
            lake.info()


def test_without_retries_it_is_said_at_once() -> None:
    begun = time.monotonic()
    with (
        saelake.connect("grpc://127.0.0.1:1", retries=0) as lake,
        pytest.raises(Unavailable, match="does not answer"),
    ):
        lake.info()
    assert time.monotonic() - begun < 60


def test_a_server_that_comes_back_is_found_again(made: MadeLake) -> None:
    first = serve(made.lake.uri)
    with saelake.connect(f"grpc://{first.address}", retries=15) as lake:
        expected = lake[NAME].tokens(3)
        first.kill()
        port = first.address.rpartition(":")[2]
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(serve, made.lake.uri, port)
            try:
                assert lake[NAME].tokens(3) == expected
            finally:
                coming.result().kill()
