"""The tools over standard input and output, as a program that a host starts."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from saelake.store.service.access.protection import Access
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests.client.cli.command import PROGRAM, environment, run
from tests.client.web.agents.scripted import check_as_printed, five_questions
from tests.client.web.agents.talking import answer, calling, failure, program, talk
from tests.encoded import EncodedLake

TOKEN = "a token of 24 characters"
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def test_five_questions_to_a_lake_in_reach(labelled: EncodedLake) -> None:
    answers = talk(program("--lake", labelled.lake.uri), five_questions)
    check_as_printed(answers, labelled.lake.uri)


def test_a_server_is_asked_with_the_owners_token(labelled: EncodedLake, tmp_path: Path) -> None:
    (file := tmp_path / "token").write_text(f"{TOKEN}\n")
    settings = ServerSettings(
        uri=labelled.lake.uri, address=Address(port=0), access=Access(token=TOKEN)
    )
    ask = calling("list_collections")
    with BackgroundServer(settings) as server:
        there = ("--server", str(server.address))
        told = answer(talk(program(*there, "--token-file", str(file)), ask, mode="legacy"))
        assert [row["dictionary"] for row in told["collections"]] == ["sae"]
        assert "SAELAKE_TOKEN" in failure(talk(program(*there), ask))


def test_labels_are_written_only_where_it_is_said(labelled: EncodedLake) -> None:
    async def label(client: Client) -> Any:
        names = [tool.name for tool in (await client.list_tools()).tools]
        given = {"dictionary": "sae", "feature": 6, "label": "rain", "explainer": "a test"}
        return names, answer(await client.call_tool("label_feature", given))

    here = ("--lake", labelled.lake.uri)
    names, told = talk(program(*here, "--allow-changes"), label)
    assert "label_feature" in names
    assert told["n_labels"] == 1
    taken = run("label", "sae", "--delete", "--feature", "6", "--explainer", "a test", *here)
    assert taken.code == 0, taken.err


def begun(labelled: EncodedLake) -> "subprocess.Popen[str]":
    """The program, which has said hello."""
    command = [*PROGRAM, "mcp", "--lake", labelled.lake.uri]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, text=True, env=environment(), **pipes)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("how", ["closed", "SIGTERM", "SIGINT"])
def test_it_ends_with_its_host_and_writes_nothing_but_the_protocol(
    labelled: EncodedLake, how: str
) -> None:
    with begun(labelled) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(HELLO) + "\n")
            process.stdin.flush()
            hello = json.loads(process.stdout.readline())
            assert hello["result"]["serverInfo"]["name"] == "saelake"
            if how != "closed":
                process.send_signal(signal.Signals[how])
            out, err = process.communicate(timeout=60) if how == "closed" else _left(process)
            assert (process.returncode, out, err) == (0, "", "")
        finally:
            process.kill()


def _left(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """What it says at last, with its input still open."""
    process.wait(60)
    assert process.stdout is not None
    assert process.stderr is not None
    return process.stdout.read(), process.stderr.read()


def test_what_cannot_be_served_is_said_in_a_line(tmp_path: Path) -> None:
    for arguments, said in (
        (("--lake", str(tmp_path / "none")), "none"),
        (("--lake", "a", "--server", "b:1"), "--server"),
        (("--server", "localhost:1", "--token-file", "no-file"), "no-file"),
        (("--server", "localhost:1", "--cert", "no-cert", "--key", "none"), "no-cert"),
        (("--server", "localhost:1", "--http", "99999"), "99999"),
    ):
        ran = run("mcp", *arguments)
        assert (ran.code, ran.err.count("\n")) in ((1, 1), (2, 1)), ran
        assert said in ran.err
        assert ran.out == ""
