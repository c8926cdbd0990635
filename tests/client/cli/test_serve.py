"""The command that serves a lake."""

import json
import signal
import subprocess

import pytest

from tests.client.cli.command import PROGRAM, asked, environment, run
from tests.lakes import MadeLake


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_says_where_and_stops_when_asked(made: MadeLake, number: int) -> None:
    command = [*PROGRAM, "serve", "--lake", made.lake.uri, "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as server:
        assert server.stderr is not None
        line = server.stderr.readline()
        address = line.split(" on ")[1].split(". ")[0]
        assert line.startswith(f"Serving {made.lake.uri} on 127.0.0.1:")
        assert f"saelake info --server {address}" in line
        question = ["tokens", "made/random", "3", "-k", "1", "-f", "json"]
        assert json.loads(asked(*question, "--server", address))["hits"]
        taken = run("serve", "--lake", made.lake.uri, "--port", address.rpartition(":")[2])
        assert (taken.code, taken.err.count("\n")) == (2, 1)
        assert "another --port" in taken.err
        server.send_signal(number)
        rest = server.communicate(timeout=30)
    assert (server.returncode, rest) == (0, ("", ""))


def test_with_json_every_line_is_an_object(made: MadeLake) -> None:
    options = ["--port", "0", "--log-format", "json", "--log-level", "debug"]
    command = [*PROGRAM, "serve", "--lake", made.lake.uri, *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as server:
        assert server.stderr is not None
        started = json.loads(server.stderr.readline())
        address = started["message"].split(" on ")[1].removesuffix(".")
        asked("info", "--server", address)
        run("tokens", "no/where", "3", "--server", address)
        server.send_signal(signal.SIGTERM)
        lines = server.communicate(timeout=30)[1].splitlines()
    calls = [json.loads(line) for line in lines]
    assert [(call["method"], call["code"]) for call in calls] == [
        ("Info", "OK"),
        ("Tokens", "NOT_FOUND"),
    ]
    assert len({call["request_id"] for call in calls}) == 2
