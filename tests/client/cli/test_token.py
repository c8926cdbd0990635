"""The commands about who may ask, and what servers and clients are told with them."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from saelake.store.service.access.protection import Access
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests.client.cli.command import asked, run
from tests.lakes import MadeLake


@pytest.fixture
def tokens(tmp_path: Path) -> str:
    return str(tmp_path / "tokens.json")


def listed(tokens: str) -> Mapping[str, Mapping[str, object]]:
    grants = json.loads(asked("token", "list", "--tokens", tokens, "-f", "json"))["grants"]
    return {grant["name"]: grant for grant in grants}


def test_a_token_is_shown_once_and_lets_ask(made: MadeLake, tokens: str, tmp_path: Path) -> None:
    wanted = ["--right", "label", "--corpus", "made", "--corpus", "other", "--expires", "90d"]
    ran = run("token", "create", "ana", *wanted, "--tokens", tokens)
    assert ran.code == 0
    token = ran.out.strip()
    assert token.startswith("sl_")
    assert ran.err.count("\n") == 1
    assert "not shown again. It is for ana, who may label in made and other until 2" in ran.err
    assert token.rpartition("_")[2] not in asked("token", "list", "--tokens", tokens)
    known = listed(tokens)["ana"]
    assert (known["right"], known["corpora"]) == ("label", ["made", "other"])
    file = tmp_path / "token"
    file.write_text(ran.out)
    settings = ServerSettings(
        uri=made.lake.uri, address=Address(port=0), access=Access(tokens=Path(tokens))
    )
    with BackgroundServer(settings) as server:
        place = ["--server", str(server.address), "--token-file", str(file)]
        assert "made/random" in asked("info", *place)
        refused = run("info", "--server", str(server.address))
        assert (refused.code, refused.err.count("\n")) == (1, 1)
        assert "token is missing, wrong or expired" in refused.err


def test_tokens_are_rotated_and_revoked(tokens: str) -> None:
    first = run("token", "create", "ana", "--tokens", tokens).out
    ran = run("token", "rotate", "ana", "--overlap", "2h", "--tokens", tokens)
    assert ran.code == 0
    assert ran.out.startswith("sl_")
    assert ran.out != first
    assert "The former of ana is good for 2h yet" in ran.err
    subject = ["--subject", "spiffe://example.com/robot", "--right", "admin"]
    assert run("token", "certificate", "robot", *subject, "--tokens", tokens).code == 0
    assert set(listed(tokens)) == {"ana", "robot"}
    shown = asked("token", "list", "--tokens", tokens)
    assert "spiffe://example.com/robot" in shown
    assert run("token", "revoke", "ana", "--tokens", tokens).code == 0
    assert set(listed(tokens)) == {"robot"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["revoke", "bo"], 1, "There is no bo here"),
        (["rotate", "bo"], 1, "There is no bo here"),
        (["create", "ana"], 1, "ana is known already"),
        (["create", "bo", "--expires", "soon"], 2, "is not an age"),
        (["create", "bo", "--expires", "0d"], 2, "good for no time"),
        (["create", "bo", "--corpus", "a/b"], 2, "cannot be the name of a corpus"),
        (["create", "b\x1bo"], 2, "names nobody"),
        (["create", "bo", "--right", "fly"], 2, "--right"),
        (["fly"], 2, "fly"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    tokens: str, arguments: list[str], code: int, said: str
) -> None:
    run("token", "create", "ana", "--tokens", tokens)
    before = Path(tokens).read_bytes()
    ran = run("token", *arguments, "--tokens", tokens)
    assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1)
    assert said in ran.err
    assert Path(tokens).read_bytes() == before


def test_a_file_is_named_once_for_all_commands(
    tokens: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run("token", "create", "ana")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "--tokens" in ran.err
    monkeypatch.setenv("SAELAKE_TOKENS", tokens)
    assert run("token", "create", "ana").code == 0
    assert "ana" in asked("token", "list")


def test_help_shows_an_example_of_each() -> None:
    for command in ("create", "certificate", "list", "rotate", "revoke"):
        assert f"saelake token {command}" in asked("token", command, "--help")
        assert command in asked("token", "--help")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--jwt-issuer", "https://example.com"], "needs the audience and the keys too"),
        (["--jwt-keys", "keys.json"], "needs the issuer and the audience too"),
        (["--tokens", "none.json"], "There is no none.json"),
        (["--audit-questions"], "name one"),
        (["--audit", "no/such/folder/audit"], "Cannot open the audit file"),
        (["--host", "0.0.0.0", "--tokens", "none.json"], "lets other machines in"),
    ],
)
def test_a_server_that_protects_nothing_does_not_start(
    made: MadeLake, arguments: list[str], said: str
) -> None:
    ran = run("serve", "--lake", made.lake.uri, "--port", "0", *arguments)
    assert (ran.out, ran.err.count("\n")) == ("", 1)
    assert ran.code in (1, 2)
    assert said in ran.err


def test_a_token_in_clear_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a token of enough characters")
    unsent = ("--at", "state:none")
    ran = run("info", "--server", "192.0.2.1:1", "--token-file", str(file), *unsent)
    first, *_ = ran.err.splitlines()
    assert first.startswith("Warning: The token goes to 192.0.2.1:1")
    assert "grpcs://" in first
