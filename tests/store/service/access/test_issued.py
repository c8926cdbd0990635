"""Tokens of an issuer."""

import base64
import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from saelake.store.errors import AccessDenied, InvalidInput, NotFound, PermissionDenied
from saelake.store.service.access import issued, watched
from saelake.store.service.access.issued import IssuedTokens, caller_of
from saelake.store.service.access.issuer import TrustedIssuer
from tests.store.service.access.serving import OPEN, SECRET, connected, issue, server

ISSUER, AUDIENCE = "https://issuer.example.com", "saelake"
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
OTHER = rsa.generate_private_key(65537, 2048)


def claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    given = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ana",
        "iat": now,
        "exp": now + 600,
        "scope": "openid saelake:read",
        **more,
    }
    return {name: value for name, value in given.items() if value is not None}


def signed(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "rsa", **more: Any) -> str:
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims(**more), key, algorithm, headers=headers)


def jwks(*more: dict[str, Any]) -> str:
    keys = [
        {**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "rsa", "alg": "RS256"},
        {**ECAlgorithm.to_jwk(EC.public_key(), as_dict=True), "kid": "ec"},
        {**OKPAlgorithm.to_jwk(ED.public_key(), as_dict=True), "kid": "ed"},
        *more,
    ]
    return json.dumps({"keys": keys})


def pem(key: Any = RSA) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    data: bytes = key.public_key().public_bytes(encoding, form)
    return data


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(jwks())
    return path


def trusted(keys: Path | str) -> TrustedIssuer:
    return TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, keys=str(keys))


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(header: dict[str, Any], key: bytes = b"", **more: Any) -> str:
    """A token that no library makes: with HMAC and any key, or with no signature."""
    head, body = (text(json.dumps(part).encode()) for part in (header, claims(**more)))
    mac = hmac.new(key, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{text(mac) if key else ''}"


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(RSA, "RS256", "rsa"), (EC, "ES256", "ec"), (ED, "EdDSA", "ed")]
)
def test_a_token_that_the_issuer_signed_is_good(
    keys: Path, key: Any, algorithm: str, kid: str
) -> None:
    known = IssuedTokens(trusted(keys)).caller(signed(key, algorithm, kid))
    assert (known.name, known.right, known.corpora) == ("ana", "read", None)


def forged() -> dict[str, str]:
    """Tokens that are not good, by what is the matter with them."""
    now, good = int(time.time()), signed()
    head, body, mac = good.split(".")
    elevated = text(json.dumps(claims(scope="saelake:admin")).encode())
    return {
        "another key": signed(OTHER),
        "no such key": signed(kid="none"),
        "the key of another": signed(RSA, "RS256", "ec"),
        "no algorithm": by_hand({"alg": "none", "typ": "JWT"}),
        "no algorithm, in other letters": by_hand({"alg": "nOnE", "kid": "rsa"}),
        "the public key as a secret": by_hand({"alg": "HS256", "kid": "rsa"}, pem()),
        "the set of keys as a secret": by_hand({"alg": "HS256", "kid": "rsa"}, jwks().encode()),
        "HS in a header of RS": by_hand({"alg": "RS256", "kid": "rsa"}, pem()),
        "a key in the header": by_hand({"alg": "HS256", "jwk": {"kty": "oct", "k": "YQ"}}, b"a"),
        "another issuer": signed(iss="https://other.example.com"),
        "for another": signed(aud="others"),
        "for nobody": signed(aud=None),
        "of nobody": signed(iss=None),
        "about nobody": signed(sub=None),
        "about a list": signed(sub=None, other=["ana"]),
        "expired": signed(exp=now - 60),
        "never expires": signed(exp=None),
        "not yet": signed(nbf=now + 600),
        "other claims": f"{head}.{elevated}.{mac}",
        "cut off": good[:-3],
        "no signature": f"{head}.{body}.",
        "no header": f".{body}.{mac}",
        "dots": "..",
        "no base64": "é.é.é",
        "odd scope": signed(scope={"saelake:read": 1}),
        "odd corpora": signed(saelake_corpora=[1]),
        "long": good + "A" * 5000,
    }


@pytest.mark.parametrize("what", forged())
def test_a_token_that_is_not_good_is_refused(keys: Path, what: str) -> None:
    with pytest.raises(AccessDenied):
        IssuedTokens(trusted(keys)).caller(forged()[what])


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ({"scope": "openid saelake:read saelake:label"}, "label"),
        ({"scope": None, "scp": ["saelake:encode"]}, "encode"),
        ({"saelake_rights": ["read", "admin"]}, "admin"),
        ({"saelake_rights": "label"}, "label"),
        ({"saelake_rights": [], "scope": "saelake:admin"}, None),
        ({"scope": "read admin saelake:fly saelakeadmin"}, None),
        ({"scope": None}, None),
    ],
)
def test_a_claim_says_the_right(said: dict[str, Any], right: str | None) -> None:
    assert caller_of(claims(**said)).right == right


@pytest.mark.parametrize(
    ("said", "corpora"),
    [(None, None), ("a b", {"a", "b"}), (["a"], {"a"}), ([], set()), ("", set())],
)
def test_a_claim_says_the_corpora(said: Any, corpora: set[str] | None) -> None:
    assert caller_of(claims(saelake_corpora=said)).corpora == corpora


def test_a_name_that_commands_a_terminal_does_not() -> None:
    assert caller_of(claims(sub="a\x1b[2J\u202e" + "b" * 200)).name == "a?[2J?" + "b" * 94
    assert caller_of(claims(sub=" \n")).name == "?"


def test_one_key_in_a_file_is_for_all_ids(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem())
    known = IssuedTokens(trusted(path))
    assert known.caller(signed(kid="any")).name == known.caller(signed(kid=None)).name == "ana"
    for wrong in (signed(OTHER), by_hand({"alg": "HS256"}, pem()), signed(EC, "ES256")):
        with pytest.raises(AccessDenied):
            known.caller(wrong)


def test_keys_in_a_file_change_without_a_restart(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "LOOK_S", 0.0)
    known = IssuedTokens(trusted(keys))
    new = {**RSAAlgorithm.to_jwk(OTHER.public_key(), as_dict=True), "kid": "new"}
    with pytest.raises(AccessDenied):
        known.caller(signed(OTHER, kid="new"))
    keys.write_text(jwks(new))
    assert known.caller(signed(OTHER, kid="new")).name == "ana"


@pytest.mark.parametrize(
    "text_", ["", "{}", '{"keys": []}', "no key", jwks({"kty": "oct", "k": "YWFh", "kid": "s"})]
)
def test_a_file_without_public_keys_is_refused(tmp_path: Path, text_: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text_)
    with pytest.raises(InvalidInput, match="keys"):
        IssuedTokens(trusted(path))
    with pytest.raises(NotFound, match="Cannot read the keys"):
        IssuedTokens(trusted(tmp_path / "none"))


@pytest.mark.parametrize(
    "wrong", [{"issuer": ""}, {"audience": ""}, {"keys": ""}, {"keys": "http://example.com/keys"}]
)
def test_an_issuer_without_what_it_needs_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        TrustedIssuer(**{"issuer": ISSUER, "audience": AUDIENCE, "keys": "k", **wrong})


class KeyServer(ThreadingHTTPServer):
    """The keys of an issuer at an address, which counts how often they are fetched."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), KeyRequests)
        self.n_fetched = 0
        self.is_down = False
        self.text = jwks()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/keys"


class KeyRequests(BaseHTTPRequestHandler):
    server: KeyServer

    def do_GET(self) -> None:
        self.server.n_fetched += 1
        self.send_response(503 if self.server.is_down else 200)
        self.end_headers()
        self.wfile.write(b"" if self.server.is_down else self.server.text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    with KeyServer() as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def test_keys_are_fetched_once_however_many_tokens_come(key_server: KeyServer) -> None:
    known = IssuedTokens(trusted(key_server.url))
    for _ in range(20):
        assert known.caller(signed()).name == "ana"
        with pytest.raises(AccessDenied):
            known.caller(signed(OTHER, kid="unknown"))
        with pytest.raises(AccessDenied):
            known.caller(signed(kid=None))
    assert key_server.n_fetched == 1


def test_a_key_that_nobody_knows_is_looked_for_after_a_while(
    key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issued, "REFETCH_S", 0.2)
    known = IssuedTokens(trusted(key_server.url))
    assert known.caller(signed()).name == "ana"
    new = {**RSAAlgorithm.to_jwk(OTHER.public_key(), as_dict=True), "kid": "new"}
    key_server.text = jwks(new)
    time.sleep(0.3)
    assert known.caller(signed(OTHER, kid="new")).name == "ana"
    assert key_server.n_fetched == 2


def test_an_issuer_that_is_down_locks_nobody_out_and_is_not_asked_by_all(
    key_server: KeyServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(issued, "KEYS_LAST_S", 0.05)
    known = IssuedTokens(trusted(key_server.url))
    assert known.caller(signed()).name == "ana"
    key_server.is_down = True
    for _ in range(5):
        time.sleep(0.06)
        assert known.caller(signed()).name == "ana"
    assert key_server.n_fetched == 2
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    monkeypatch.setattr(issued, "FORMER_KEYS_S", 0.0)
    time.sleep(0.06)
    with pytest.raises(AccessDenied):
        known.caller(signed())


def test_an_issuer_that_was_never_there_refuses_all(key_server: KeyServer) -> None:
    key_server.is_down = True
    known = IssuedTokens(trusted(key_server.url))
    for _ in range(5):
        with pytest.raises(AccessDenied):
            known.caller(signed())
    assert key_server.n_fetched == 1


def test_a_secret_key_at_the_address_is_not_used(key_server: KeyServer) -> None:
    key_server.text = jwks({"kty": "oct", "k": text(b"a" * 64), "kid": "s"})
    known = IssuedTokens(trusted(key_server.url))
    with pytest.raises(AccessDenied):
        known.caller(by_hand({"alg": "HS256", "kid": "s"}, b"a" * 64))


def test_a_server_takes_tokens_of_an_issuer_and_its_own(
    uri: str, keys: Path, tokens: Path, key_server: KeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    ours = issue(tokens, "bo")
    for where in (keys, key_server.url):
        with server(uri, issuer=trusted(where), tokens=tokens) as running:
            assert connected(running, signed()).collections() == [OPEN, SECRET]
            assert connected(running, ours).collections() == [OPEN, SECRET]
            limited = connected(running, signed(saelake_corpora=["made"]))
            assert limited.collections() == [OPEN]
            with pytest.raises(PermissionDenied, match="secret"):
                limited[SECRET].tokens(1)
            with pytest.raises(PermissionDenied, match="ana has no right"):
                connected(running, signed(scope="openid")).info()
            with pytest.raises(PermissionDenied):
                connected(running, signed(saelake_corpora=[])).info()
            for what in ("another key", "expired", "no algorithm", "cut off"):
                with pytest.raises(AccessDenied, match="missing, wrong or expired"):
                    connected(running, forged()[what]).info()
    assert caplog.text == ""
