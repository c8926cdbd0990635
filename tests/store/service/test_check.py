"""What hinders a server is found without starting it, all at once."""

import socket
from pathlib import Path

import pytest

from saelake.store.service.access.issuer import TrustedIssuer
from saelake.store.service.access.protection import Access
from saelake.store.service.check import hindrances
from saelake.store.service.lifetime import Lifetime
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.service.telemetry.settings import Telemetry
from tests.client.cli.command import run
from tests.lakes import MadeLake, make_lake


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("checked") / "lake", n_documents=10)


def test_nothing_hinders_a_server_of_a_lake(made: MadeLake) -> None:
    telemetry = Telemetry(metrics=Address(port=0))
    settings = ServerSettings(
        uri=made.lake.uri,
        address=Address(port=0),
        telemetry=telemetry,
        lifetime=Lifetime(preload=("made/random",)),
    )
    assert hindrances(settings) == ()


def test_everything_that_hinders_is_said(tmp_path: Path, made: MadeLake) -> None:
    settings = ServerSettings(
        uri=str(tmp_path / "none"),
        address=Address(host="192.0.2.1"),  # RFC 5737: an address of no machine
        access=Access(certificate=Path("c.pem"), key=Path("k.pem")),
        telemetry=Telemetry(metrics=Address(host="192.0.2.1", port=1)),
    )
    said = [error.message for error in hindrances(settings)]
    words = ["There is no lake", "lets other machines in", "Cannot read", "--port", "--metrics"]
    assert [word for word, each in zip(words, said, strict=True) if word not in each] == []
    unknown = ServerSettings(
        uri=made.lake.uri, address=Address(port=0), lifetime=Lifetime(preload=("a/b",))
    )
    (error,) = hindrances(unknown)
    assert "no collection a/b to preload: made/random." in error.message


def test_a_port_that_is_taken_hinders(made: MadeLake) -> None:
    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0))
    with BackgroundServer(settings) as running:
        (error,) = hindrances(ServerSettings(uri=made.lake.uri, address=running.address))
    assert f"Cannot listen on {running.address}" in error.message


def test_files_that_are_not_there_or_not_in_their_place_hinder(
    made: MadeLake, tmp_path: Path
) -> None:
    issuer = TrustedIssuer(issuer="https://x", audience="y", keys=str(tmp_path / "none.pem"))
    within = Path(made.lake.uri) / "tokens.json"
    wrong = {
        "make it with `saelake token create`": Access(tokens=tmp_path / "none.json"),
        "would be in a lake": Access(tokens=within),
        "Cannot read the keys": Access(issuer=issuer),
        "Is a directory": Access(audit=tmp_path),
    }
    within.write_text('{"version": 1, "tokens": [], "certificates": []}')
    try:
        for words, access in wrong.items():
            found = ServerSettings(uri=made.lake.uri, address=Address(port=0), access=access)
            (error,) = hindrances(found)
            assert words in error.message
    finally:
        within.unlink()


def test_an_audit_file_is_not_begun_by_a_check(made: MadeLake, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0), access=Access(audit=log))
    assert hindrances(settings) == ()
    assert not log.exists()
    log.write_text("kept")
    assert hindrances(settings) == ()
    assert log.read_text() == "kept"


def test_two_at_one_port_hinder(made: MadeLake) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = Address(port=free.getsockname()[1])
    settings = ServerSettings(
        uri=made.lake.uri,
        address=port,
        telemetry=Telemetry(metrics=port),
        lifetime=Lifetime(health=port),
    )
    said = [error.message for error in hindrances(settings)]
    assert ["--health" in said[0], "--metrics" in said[1], len(said)] == [True, True, 3]


def test_the_command_says_what_hinders_and_ends_with_one(made: MadeLake, tmp_path: Path) -> None:
    fine = run("serve", "--check", "--lake", made.lake.uri, "--port", "0")
    assert (fine.code, fine.out, fine.err) == (0, "", "Nothing hinders this server.\n")
    wrong = run("serve", "--check", "--lake", str(tmp_path / "none"), "--host", "0.0.0.0")
    assert (wrong.code, wrong.err.count("Error: ")) == (1, 2)
