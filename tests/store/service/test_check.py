"""What hinders a server is found without starting it, all at once."""

from pathlib import Path

import pytest

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


def test_the_command_says_what_hinders_and_ends_with_one(made: MadeLake, tmp_path: Path) -> None:
    fine = run("serve", "--check", "--lake", made.lake.uri, "--port", "0")
    assert (fine.code, fine.out, fine.err) == (0, "", "Nothing hinders this server.\n")
    wrong = run("serve", "--check", "--lake", str(tmp_path / "none"), "--host", "0.0.0.0")
    assert (wrong.code, wrong.err.count("Error: ")) == (1, 2)
