"""Who asks: tokens that are not good, and certificates."""

import socket
from pathlib import Path
from typing import Any

import grpc
import pytest

import saelake
from saelake.lake import Lake
from saelake.store.errors import AccessDenied, PermissionDenied
from saelake.store.requests.request import Right
from saelake.store.requests.tokens import TokensQuery
from saelake.store.service.access.certificates import subject_of, subjects
from saelake.store.service.access.register import Grant, now_utc
from saelake.store.service.access.register_file import change
from saelake.store.service.serve import BackgroundServer
from tests.store.service.access.serving import OPEN, SECRET, called, connected, issue, server
from tests.store.service.certificates import pair_of
from tests.store.service.frames import is_over, opened, piece

ONE = "the one token that may do all"
SAID = "The token is missing, wrong or expired: set SAELAKE_TOKEN, or give token= or --token-file."


def headers_of(token: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """Headers that are not good, by what is the matter with them."""

    def bearer(text: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {text}"),)

    prefix, token_id, secret = token.split("_", 2)
    return {
        "none": (),
        "empty": bearer(""),
        "no scheme": (("authorization", token),),
        "another scheme": (("authorization", f"Basic {token}"),),
        "another header": (("x-authorization", f"Bearer {token}"),),
        "cut off": bearer(token[:-1]),
        "longer": bearer(token + "a"),
        "other letters": bearer(token.swapcase()),
        "no secret": bearer(f"{prefix}_{token_id}_"),
        "another secret": bearer(f"{prefix}_{token_id}_{secret[::-1]}"),
        "another id": bearer(f"{prefix}_{token_id[::-1]}_{secret}"),
        "two": (*bearer(token), *bearer(token)),
        "two, of which one is wrong": (*bearer("wrong"), *bearer(token)),
        "spaces": bearer(f"  {token}"),
        "64 KB": bearer("x" * 65_536),
        "64 KB of ours": bearer(f"{prefix}_{token_id}_" + "x" * 65_536),
        "64 KB of dots": bearer("." * 65_536),
        "a JWT": bearer("e30.e30.e30"),
    }


@pytest.mark.parametrize("what", headers_of("sl_a_b"))
def test_a_token_that_is_not_good_is_refused_in_one_way(
    uri: str, tokens: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    token = issue(tokens)
    with caplog.at_level(0), server(uri, tokens=tokens, token=ONE) as running:
        refused = called(running, "Info", metadata=headers_of(token)[what])
        assert (refused.code(), refused.details()) == (grpc.StatusCode.UNAUTHENTICATED, SAID)
        assert OPEN in connected(running, token).collections()
    assert token.rpartition("_")[2] not in caplog.text
    assert "xxxx" not in caplog.text


def test_a_scheme_has_any_letters_and_an_issuers_token_some_length(uri: str, tokens: Path) -> None:
    token = issue(tokens)
    with server(uri, tokens=tokens) as running:
        good = called(running, "Info", metadata=(("authorization", f"bearer {token}"),))
        assert good.code() == grpc.StatusCode.OK
        for length in (5_000, 12_000, 16_000):  # by itself grpc refuses some of these, by chance
            sent = (("authorization", "Bearer " + "x" * length),)
            assert called(running, "Info", metadata=sent).code() == (
                grpc.StatusCode.UNAUTHENTICATED
            )


def test_a_token_of_other_bytes_than_ascii_harms_nobody(
    uri: str, tokens: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A client of ours cannot send one."""
    token = issue(tokens)
    shown = (b"authorization", b"Bearer geheim\xff\xfe\x80\xc3")
    head, data = opened("/saelake.v1.Lake/Info", shown), piece(b"\0\0\0\0\0", is_last=True)
    with caplog.at_level(0), server(uri, tokens=tokens) as running:
        host, port = str(running.address).rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head + data)
            answer = b""
            while b"made" not in answer and not is_over(answer):
                answer += connection.recv(65_536)
        assert b"made" not in answer
        assert OPEN in connected(running, token).collections()
    assert "geheim" not in caplog.text


def test_the_one_token_may_do_all(uri: str, tokens: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TokensQuery, "right", "admin")
    issue(tokens)
    for more in (None, tokens):
        with server(uri, token=ONE, tokens=more) as running:
            assert connected(running, ONE)[OPEN].tokens(1) is not None
            with pytest.raises(AccessDenied):
                connected(running, ONE + "x").info()


def test_a_token_that_nobody_asked_for_is_passed_over(uri: str) -> None:
    with server(uri) as running:
        assert OPEN in connected(running, "any token at all").collections()


def certify(tokens: Path, name: str, subject: str, right: Right, *corpora: str) -> None:
    grant = Grant(name=name, right=right, corpora=corpora, created=now_utc())
    change(tokens, lambda known: (known.certified(grant, subject_of(subject)), None))


def mutual(uri: str, certificates: Path, **access: Any) -> BackgroundServer:
    """A server with mTLS."""
    pair = pair_of(certificates, "server")
    return server(uri, client_ca=certificates / "ca.pem", **pair, **access)


def shown_by(running: BackgroundServer, certificates: Path, name: str, token: str = "") -> Lake:
    """The lake, asked with a certificate."""
    ca = certificates / "ca.pem"
    return saelake.connect(
        running.target, ca=ca, token=token or None, timeout_s=20, **pair_of(certificates, name)
    )


def test_a_certificate_alone_may_read(
    uri: str, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mutual(uri, certificates) as running:
        for name in ("client", "robot"):
            lake = shown_by(running, certificates, name)
            assert lake.collections() == [OPEN, SECRET]
        monkeypatch.setattr(TokensQuery, "right", "label")
        with pytest.raises(PermissionDenied, match="client has the right read"):
            shown_by(running, certificates, "client")[OPEN].tokens(1)
        with pytest.raises(PermissionDenied, match=r"spiffe://example\.com/robot has the right"):
            shown_by(running, certificates, "robot")[OPEN].tokens(1)


def test_a_certificate_that_is_known_has_its_grant(
    uri: str, certificates: Path, tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TokensQuery, "right", "label")
    certify(tokens, "r2", "spiffe://example.com/robot", "label", "made")
    token = issue(tokens, "ana", "admin")
    with mutual(uri, certificates, tokens=tokens) as running:
        robot = shown_by(running, certificates, "robot")
        assert robot[OPEN].tokens(1) is not None
        assert robot.collections() == [OPEN]
        with pytest.raises(PermissionDenied, match="r2 may not use the corpus secret"):
            robot[SECRET].tokens(1)
        with pytest.raises(AccessDenied, match="token is missing"):
            shown_by(running, certificates, "client").info()
        assert shown_by(running, certificates, "client", token)[SECRET].tokens(1) is not None
        assert shown_by(running, certificates, "robot", token)[SECRET].tokens(1) is not None
        with pytest.raises(AccessDenied):
            shown_by(running, certificates, "robot", "a wrong token").info()


def test_a_certificate_and_the_one_token_are_both_needed_as_before(
    uri: str, certificates: Path
) -> None:
    with mutual(uri, certificates, token=ONE) as running:
        assert OPEN in shown_by(running, certificates, "client", ONE).collections()
        with pytest.raises(AccessDenied):
            shown_by(running, certificates, "client").info()


def test_subjects_are_uris_and_then_the_common_name() -> None:
    context = {"peer_uri": [b"spiffe://a/b"], "x509_common_name": [b"spiffe://forged"]}
    assert subjects(context) == ["spiffe://a/b", "CN=spiffe://forged"]
    assert subjects({}) == []
    assert subject_of(" ana ") == subject_of("CN=ana") == "CN=ana"
    assert subject_of("spiffe://a/b") == "spiffe://a/b"
