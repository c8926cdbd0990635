"""A server under load: short questions alone, and beside heavy callers, who then leave.

`python -m benchmarks load`. Who asks is a process of its own with stubs of its own
(`load_client.py`), in turns of a bare server that echoes messages, which is what gRPC can do here.
After heavy callers a server that never had any is asked too, as machines have their moods.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.common.places import ROOT
from benchmarks.common.progress import said
from benchmarks.common.report import Cell, Table, publish
from benchmarks.common.synthetic import NAME, lake_at
from saelake.store.lake.lake import Lake
from saelake.store.requests.checks import Selection
from saelake.store.requests.cluster import ClusterQuery
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.match import MatchQuery
from saelake.store.requests.request import Request
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.wire.requests import SERVICE, method_of, to_message

ECHO, SERVER = "benchmarks.query.echo", "benchmarks.query.server"
CLIENT = "benchmarks.query.load_client"
TICKS_S = os.sysconf("SC_CLK_TCK")
N_QUESTIONS = 500  # that are asked in turn
HELD_S = 3.0  # until heavy callers have places
MINUTE_S = 60.0
LEFT_S = 1.0  # after which they should not be felt
MIB = 1 << 20
SPARSE = 0.3  # NPMI from which pairs are told


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server in a process of its own."""

    name: str
    process: int
    target: str


def main(
    documents: Annotated[int, typer.Option(help="of a lake to make")] = 20_000,
    lake: Annotated[
        Path | None, typer.Option(help="a lake of this synthesis, in its place")
    ] = None,
    mean_length: Annotated[float, typer.Option(help="tokens a document")] = 50,
    clients: Annotated[int, typer.Option(help="connections that ask at once")] = 32,
    seconds: Annotated[float, typer.Option(help="of each measurement")] = 10.0,
    processes: Annotated[int, typer.Option(help="that serve")] = 1,
    heavy: Annotated[int, typer.Option(help="correlations and matches beside them")] = 8,
    together: Annotated[
        bool, typer.Option("--together", help="analyses in threads of the serving process")
    ] = False,
    connections: Annotated[int, typer.Option(help="idle ones meanwhile, at the end")] = 0,
    minutes: Annotated[int, typer.Option(help="without a rest, in place of the heavy callers")] = 0,
) -> None:
    """Ask a server under load, one that has never been, and one that echoes."""
    where = ["together"] if together else []
    with (
        lake_at(lake, documents, mean_length) as place,
        _served("bare echo", ECHO) as echo,
        _served("saelake", SERVER, str(place), str(processes), *where) as server,
        _served("never pressed", SERVER, str(place), str(processes), *where) as control,
    ):
        collection = Collection(Lake(str(place)), NAME)
        messages = _messages(collection)

        def tokens(name: str, served: Served = server) -> Mapping[str, Cell]:
            return _row(name, served, _method("Tokens"), messages, clients, seconds)

        for served in (server, control):
            tokens("all of them, for the first time", served)
        rows = [_row("alone", echo, "/bare/Echo", messages, clients, seconds), tokens("alone")]
        rows += [
            _row(f"minute {minute + 1}", server, _method("Tokens"), messages, clients, MINUTE_S)
            for minute in range(minutes)
        ]
        for name, asked in _heavy(0 if minutes else heavy).items():
            with said(name), _pressed(server, asked):
                rows.append(tokens(f"beside {name}"))
            time.sleep(LEFT_S)
            rows.append(tokens(f"{LEFT_S:g} s after {name} left"))
            rows.append(tokens("alone, at that time", control))
        if connections:
            with said(f"{connections} connections"), _resting(server, connections):
                rows.append(tokens(f"beside {connections:,} idle connections"))
        facts: dict[str, Cell] = {
            "documents": collection.documents.n_documents,
            "clients": clients,
            "serving processes": processes,
            "analyses": "in its threads" if together else "in processes of their own",
            "seconds each": seconds,
        }
    note = "CPU ms are of the server with all its processes, heavy answers too; and of who asks."
    publish("load", [Table(title="Tokens, k = 20, under load", rows=rows, note=note)], facts=facts)


def _method(name: str) -> str:
    return f"/{SERVICE}/{name}"


def _messages(collection: Collection) -> Sequence[bytes]:
    random = np.random.default_rng(0)
    features = random.integers(collection.settings.width, size=N_QUESTIONS)
    return [
        _serialised(TokensQuery(collection=str(NAME), expression=str(feature), k=20))
        for feature in features
    ]


def _heavy(n: int) -> Mapping[str, Sequence[Request]]:
    """Analyses of the whole lake, by what they are called; none of 0."""
    if not n:
        return {}
    name = str(NAME)
    correlation = CorrelateQuery(a=Selection(collection=name), min_npmi=SPARSE)
    return {
        f"{n} correlations": [correlation] * n,
        f"{n} matches": [MatchQuery(a=name, b=name)] * n,
        "a cluster of all": [ClusterQuery(collection=name)],
    }


def _serialised(request: Request) -> bytes:
    message: Any = to_message(request)
    serialised: bytes = message.SerializeToString()
    return serialised


def _row(
    name: str,
    served: Served,
    method: str,
    messages: Sequence[bytes],
    clients: int,
    seconds: float,
) -> Mapping[str, Cell]:
    """How many are answered, and how soon."""
    before = _cpu_s(served.process)
    errand = {"target": served.target, "method": method, "clients": clients, "seconds": seconds}
    with _client("ask", messages, **errand) as asking:
        asking.stdin.close()
        found = json.loads(asking.stdout.read())
    cpu = _cpu_s(served.process) - before
    taken = 1e3 * np.array(found["taken"])
    return {
        "load": name,
        "server": served.name,
        "a second": len(taken) / found["seconds"],
        "p50 ms": float(np.percentile(taken, 50)),
        "p99 ms": float(np.percentile(taken, 99)),
        "longest ms": float(taken[-1]),
        "CPU ms of server": 1e3 * cpu / len(taken),
        "CPU ms of client": 1e3 * found["cpu_s"] / len(taken),
        "failed": found["failed"],
        "MiB of server": _rss_bytes(served.process) / MIB,
    }


@contextmanager
def _pressed(served: Served, asked: Sequence[Request]) -> Iterator[None]:
    """Heavy callers, each of whom asks again and again."""
    (method,) = {_method(method_of(request)) for request in asked}
    messages = [_serialised(request) for request in asked]
    with _client("press", messages, target=served.target, method=method) as pressing:
        pressing.stdout.readline()
        time.sleep(HELD_S)
        yield
        pressing.stdin.close()


@contextmanager
def _resting(served: Served, connections: int) -> Iterator[None]:
    with _client("rest", None, target=served.target, connections=connections) as resting:
        assert resting.stdout.readline().strip() == "held", "not all connections were made"
        yield
        resting.stdin.close()


@contextmanager
def _client(kind: str, messages: Sequence[bytes] | None, **errand: object) -> Iterator[Any]:
    """Who asks, in a process of its own."""
    whole = {"kind": kind, **errand}
    if messages is not None:
        whole["messages"] = [message.hex() for message in messages]
    command = [sys.executable, "-m", CLIENT]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(whole) + "\n")
        process.stdin.flush()
        yield process


@contextmanager
def _served(name: str, module: str, *arguments: str) -> Iterator[Served]:
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        target = process.stdout.readline().strip().removeprefix("grpc://")
        assert target, f"{name} did not start"
        try:
            yield Served(name=name, process=process.pid, target=target)
        finally:
            process.terminate()


def _tree(process: int) -> list[list[str]]:
    """The fields of /proc of a process and of all that it started."""
    fields = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields[int(place.name)] = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
    found = [process]
    for parent in found:
        found += [pid for pid, of in fields.items() if int(of[1]) == parent]
    return [fields[pid] for pid in found if pid in fields]


def _cpu_s(process: int) -> float:
    """The processor time of a process and those it started, also of those that have ended."""
    return sum(sum(map(int, fields[11:15])) for fields in _tree(process)) / TICKS_S


def _rss_bytes(process: int) -> int:
    return sum(int(fields[21]) for fields in _tree(process)) * os.sysconf("SC_PAGE_SIZE")
