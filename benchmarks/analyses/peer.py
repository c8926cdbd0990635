"""Another tool, in a process of its own that is asked one question after another."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.cores import starting_on
from benchmarks.common.places import ROOT

Reply = dict[str, Any]


class Peer:
    """A program that answers each line of JSON with one; other lines that it prints are its own.

    `ready` is what it says when it can be asked: how its index was built.
    """

    def __init__(self, python: Path, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [str(python), "-m", f"benchmarks.peers.{module}", *arguments],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._module = module
        self.ready = self._reply()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def ask(self, **question: object) -> Reply:
        """Its answer."""
        assert self._process.stdin
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return self._reply()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _reply(self) -> Reply:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith("{"):
                reply: Reply = json.loads(line)
                return reply
        raise SystemExit(f"{self._module} ended: run it by hand to see why")


def run(command: Sequence[str], cores: Sequence[int]) -> Reply:
    """What a program that may use these cores printed last, as JSON."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(len(cores))}
    with starting_on(cores):
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed ({done.returncode}):\n{done.stderr[-4000:]}")
    reply: Reply = json.loads(done.stdout.splitlines()[-1])
    return reply
