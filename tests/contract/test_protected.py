"""The protected faces are: who has neither token nor known certificate gets nothing."""

import pytest

import saelake
from saelake.store.errors import AccessDenied, Unavailable
from tests.contract.faces import Faces
from tests.lakes import MadeLake
from tests.store.service.certificates import pair_of


def test_who_has_no_token_reads_nothing_of_the_same_server(made: MadeLake, faces: Faces) -> None:
    ca = faces.protected().folder / "ca.pem"
    with (
        faces.open("by_token", made.lake.uri) as by_token,
        saelake.connect(by_token.uri, ca=ca, timeout_s=20) as stranger,
    ):
        with pytest.raises(AccessDenied, match="token is missing"):
            stranger.collections()
        assert by_token.collections() == ["made/random"]


def test_who_shows_no_known_certificate_reads_nothing_of_the_same_server(
    made: MadeLake, faces: Faces
) -> None:
    folder = faces.protected().folder
    ca, unknown = folder / "ca.pem", pair_of(folder, "client")
    with faces.open("by_certificate", made.lake.uri) as by_certificate:
        with (
            saelake.connect(by_certificate.uri, ca=ca, timeout_s=20, **unknown) as stranger,
            pytest.raises(AccessDenied),
        ):
            stranger.collections()
        with (
            saelake.connect(by_certificate.uri, ca=ca, timeout_s=5, retries=0) as nobody,
            pytest.raises(Unavailable),
        ):
            nobody.collections()
        assert by_certificate.collections() == ["made/random"]
