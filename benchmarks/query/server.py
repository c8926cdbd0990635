"""A saelake server in a process of its own.

`python -m benchmarks.query.server LAKE [PROCESSES [together]]` says where it is: with
`together` analyses are computed in threads of it.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.common.places import ROOT
from saelake.store.service.processes import serve_all
from saelake.store.service.serve import Address, ServerSettings


@contextmanager
def running(uri: str) -> Iterator[str]:
    """The `grpc://…` of a server of this lake, which ends with the block."""
    command = [sys.executable, "-m", "benchmarks.query.server", uri]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        target = process.stdout.readline().strip()
        assert target, "the server did not start"
        yield target
    finally:
        process.terminate()
        process.communicate()


def main(uri: str, processes: str = "1", *together: str) -> None:
    """Serve on a free port of this machine until a signal."""
    settings = ServerSettings(
        uri=uri, address=Address(port=0), apart=not together, processes=int(processes)
    )
    serve_all(settings, on_ready=lambda address: print(f"grpc://{address}", flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
