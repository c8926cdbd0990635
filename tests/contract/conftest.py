"""One lake of random codes: here, behind servers of each kind, awaited, and with Ray actors."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import saelake
from saelake import aio
from saelake.lake import Lake
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests.contract.protected import Protected, protect
from tests.lakes import MadeLake, make_lake
from tests.waiting import Waiting


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("contract") / "lake", n_documents=60, seed=3)


@pytest.fixture(scope="package")
def embedded(made: MadeLake) -> Lake:
    return saelake.connect(made.lake.uri)


@pytest.fixture(scope="package")
def server(made: MadeLake) -> Iterator[BackgroundServer]:
    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0))
    with BackgroundServer(settings) as running:
        yield running


@pytest.fixture(scope="package")
def remote(server: BackgroundServer) -> Iterator[Lake]:
    with saelake.connect(server.target) as lake:
        yield lake


@pytest.fixture(scope="package")
def awaited(server: BackgroundServer) -> Iterator[Lake]:
    transport = Waiting(aio.connect(server.target).transport)
    with Lake(server.target, transport, is_remote=True) as lake:
        yield lake


@pytest.fixture(scope="package")
def by_processes(made: MadeLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Behind two processes on one port, which compute analyses in others."""
    options = ["--lake", made.lake.uri, "--port", "0", "--processes", "2"]
    command = [sys.executable, "-m", "saelake", "serve", *options]
    # A file, as a pipe that nobody reads is full after some hundred lines, and the server waits.
    log = tmp_path_factory.mktemp("processes") / "log"
    with log.open("w") as file, subprocess.Popen(command, stderr=file) as serving:
        while (said := re.search(r"--server (\S+) \(", log.read_text())) is None:
            assert serving.poll() is None, log.read_text()
            time.sleep(0.1)
        with saelake.connect(f"grpc://{said[1]}") as lake:
            yield lake
        serving.terminate()


@pytest.fixture(scope="package")
def protected(made: MadeLake, tmp_path_factory: pytest.TempPathFactory) -> Protected:
    folder: Path = tmp_path_factory.mktemp("protected")
    return protect(made.lake.uri, folder)


@pytest.fixture(scope="package")
def by_token(protected: Protected) -> Iterator[Lake]:
    """Behind TLS, with a named token that may read."""
    with protected.by_token() as lake:
        yield lake


@pytest.fixture(scope="package")
def by_certificate(protected: Protected) -> Iterator[Lake]:
    """Behind mTLS, with a certificate that may read, and no token."""
    with protected.by_certificate() as lake:
        yield lake


@pytest.fixture(scope="package")
def on_ray(made: MadeLake) -> Iterator[Lake]:
    pytest.importorskip("ray")
    cluster = saelake.RayCluster(address="local", workers=2, cpus_per_worker=1)
    with saelake.connect(made.lake.uri, ray=cluster) as lake:
        yield lake


# Ray leaves sockets and files to the garbage collector.
ON_RAY = pytest.param(
    "on_ray",
    marks=[
        pytest.mark.cluster,
        pytest.mark.filterwarnings("ignore::ResourceWarning"),
        pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    ],
)


FACES = ["embedded", "remote", "by_token", "by_certificate", "by_processes", "awaited", ON_RAY]


@pytest.fixture(scope="package", params=FACES)
def lake(request: pytest.FixtureRequest) -> Lake:
    opened: Lake = request.getfixturevalue(request.param)
    return opened
