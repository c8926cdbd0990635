"""The faces of a lake: here, behind servers of each kind, awaited, and with Ray actors."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import saelake
from saelake import aio
from saelake.lake import Lake
from saelake.store.requests.request import Right
from saelake.store.service.changes import Allowed
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.texts import model_texts
from tests.contract.protected import Protected, protect
from tests.served import ALL
from tests.waiting import Waiting

# Ray leaves sockets and files to the garbage collector.
ON_RAY = pytest.param(
    "on_ray",
    marks=[
        pytest.mark.cluster,
        pytest.mark.filterwarnings("ignore::ResourceWarning"),
        pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    ],
)
SERVED = ("remote", "by_token", "by_certificate", "by_processes")
CHANGING = ("embedded", *SERVED, ON_RAY)  # awaited lakes send no rows and have no jobs
OTHERS = (*SERVED, "awaited", ON_RAY)  # than a lake in this process
FACES = ("embedded", *OTHERS)
ELSEWHERE = frozenset({"by_processes", "on_ray"})  # in other processes than the tests


@dataclass(frozen=True)
class Faces:
    """Opens a lake by each of its faces; those of one folder have the same certificates."""

    folder: Path

    def open(self, face: str, uri: str, right: Right = "read") -> AbstractContextManager[Lake]:
        """The lake, by whom this right is had; what it allows is also what a server takes."""
        allowed = Allowed() if right == "read" else ALL
        if face in ("by_token", "by_certificate"):
            asked: AbstractContextManager[Lake] = getattr(self.protected(right), face)(uri, allowed)
            return asked
        if face == "embedded":
            return saelake.connect(uri)
        if face == "on_ray":
            pytest.importorskip("ray")
            cluster = saelake.RayCluster(address="local", workers=2, cpus_per_worker=1)
            return saelake.connect(uri, ray=cluster)
        if face == "by_processes":
            return by_processes(uri, allowed, self.folder)
        return served(face, uri, allowed)

    def protected(self, right: Right = "read") -> Protected:
        """What stands before a lake whose callers have this right."""
        return protected(self.folder, right)


@cache
def protected(folder: Path, right: Right) -> Protected:
    place = folder / right
    place.mkdir()
    return protect(place, right)


@contextmanager
def served(face: str, uri: str, allowed: Allowed) -> Iterator[Lake]:
    """Behind a server in this process, asked by who waits, or awaited."""
    settings = ServerSettings(
        uri=uri, address=Address(port=0), texts=model_texts(), allowed=allowed
    )
    with BackgroundServer(settings) as server, _connected(face, server.target) as lake:
        yield lake


def _connected(face: str, target: str) -> Lake:
    if face == "remote":
        return saelake.connect(target)
    return Lake(target, Waiting(aio.connect(target).transport), is_remote=True)


@contextmanager
def by_processes(uri: str, allowed: Allowed, folder: Path) -> Iterator[Lake]:
    """Behind two processes on one port, which compute analyses in others."""
    options = ["--lake", uri, "--port", "0", "--processes", "2"]
    for right in allowed.rights:
        options += ["--allow", right]
    command = [sys.executable, "-m", "saelake", "serve", *options]
    # A file, as a pipe that nobody reads is full after some hundred lines, and the server waits.
    log = folder / f"log-{time.time_ns()}"
    with log.open("w") as file, subprocess.Popen(command, stderr=file) as serving:
        while (said := re.search(r"--server (\S+) \(", log.read_text())) is None:
            assert serving.poll() is None, log.read_text()
            time.sleep(0.1)
        try:
            with saelake.connect(f"grpc://{said[1]}") as lake:
                yield lake
        finally:
            serving.terminate()
