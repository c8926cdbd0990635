"""Tokens of an issuer (JSON Web Tokens, as of OpenID Connect), which its public keys verify."""

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from saelake.store.errors import AccessDenied, InvalidInput, NotFound
from saelake.store.requests.request import Right
from saelake.store.service.access.grants import RIGHTS
from saelake.store.service.access.issuer import TrustedIssuer
from saelake.store.service.access.shown import shown_name
from saelake.store.service.access.watched import Watched
from saelake.store.service.caller import Caller

log = logging.getLogger("saelake.server")

# By a private key alone: with a secret that both sides know (HS256), whoever knows the public key
# of an issuer could sign for it.
ALGORITHMS = (
    *(f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)),
    "EdDSA",
)
KEY_TYPES = ("RSA", "EC", "OKP")
RIGHT_CLAIM, CORPORA_CLAIM, SCOPE_PREFIX = "saelake_rights", "saelake_corpora", "saelake:"
REQUIRED = ("iss", "aud", "exp", "sub")
LEEWAY_S = 10  # between the clocks of the issuer and of this machine

FETCH_TIMEOUT_S = 5.0
KEYS_LAST_S = 300.0  # then they are fetched anew
REFETCH_S = 30.0  # at the least, between two fetches for keys that nobody knows, or that failed
FORMER_KEYS_S = 24 * 3600.0  # for which keys are good that cannot be fetched anew

SigningKey = Any  # jwt.PyJWK, or a key of cryptography


class IssuedTokens:
    """Who asks by a token of an issuer. `caller` may fetch keys, and takes seconds then."""

    def __init__(self, settings: TrustedIssuer) -> None:
        self._settings = settings
        self._keys: _IssuerKeys = (
            _FetchedKeys(settings) if settings.is_remote else _FiledKeys(settings.keys)
        )

    def caller(self, token: str) -> Caller:
        """Who asks. Raises `AccessDenied`."""
        try:
            return caller_of(self._claims(token))
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise AccessDenied("The issuer's token is not good.") from error

    def _claims(self, token: str) -> Mapping[str, Any]:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:  # before a key is looked for
            raise jwt.InvalidAlgorithmError
        return jwt.decode(
            token,
            self._keys.key(header.get("kid")),
            algorithms=list(ALGORITHMS),
            audience=self._settings.audience,
            issuer=self._settings.issuer,
            leeway=LEEWAY_S,
            options={"require": list(REQUIRED)},
        )


def caller_of(claims: Mapping[str, Any]) -> Caller:
    """Who the claims of a verified token say that asks, and what he may do.

    The right is the largest of `saelake_rights` (names, or one), or of those scopes in `scope` that
    begin with `saelake:`; without any there is none. `saelake_corpora` (names, or one) are the
    corpora; without that claim, all. Raises `ValueError`.
    """
    named = _words(claims[RIGHT_CLAIM]) if RIGHT_CLAIM in claims else _scopes(claims)
    corpora = frozenset(_words(claims[CORPORA_CLAIM])) if CORPORA_CLAIM in claims else None
    return Caller(name=shown_name(str(claims["sub"])), right=_largest(named), corpora=corpora)


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    found = _words(claims.get("scope", claims.get("scp", "")))
    return [scope.removeprefix(SCOPE_PREFIX) for scope in found if scope.startswith(SCOPE_PREFIX)]


def _largest(named: list[str]) -> Right | None:
    return next((right for right in reversed(RIGHTS) if right in named), None)


def _words(claim: Any) -> list[str]:
    words = claim.split() if isinstance(claim, str) else claim
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError("a claim is neither text nor a list of texts")
    return words


class _IssuerKeys(Protocol):
    def key(self, kid: str | None) -> SigningKey:
        """The key of this id. Raises `jwt.PyJWTError`."""


class _FiledKeys:
    """The keys in a file, which may change."""

    def __init__(self, path: str) -> None:
        self._keys = Watched(Path(path), _read_keys)

    def key(self, kid: str | None) -> SigningKey:
        keys = self._keys.value()
        found = keys.get(kid, keys.get(None))
        if found is None:
            raise jwt.InvalidKeyError("no key of this id")
        return found


def _read_keys(path: Path) -> Mapping[str | None, SigningKey]:
    """The keys by their ids; under None the only one, where it has no id."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotFound(f"Cannot read the keys in {path}: {error.strerror}.", path=path) from error
    try:
        if not data.lstrip().startswith(b"{"):
            return {None: load_pem_public_key(data)}
        keys = jwt.PyJWKSet.from_dict(json.loads(data)).keys
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise InvalidInput(f"{path} has no public keys, as PEM or as JWKS.", path=path) from error
    if wrong := [key.key_type for key in keys if key.key_type not in KEY_TYPES]:
        raise InvalidInput(
            f"{path} has a secret key ({wrong[0]}), and should have none.", path=path
        )
    return {key.key_id: key for key in keys}


class _FetchedKeys(jwt.PyJWKClient):
    """The keys at an address: kept for minutes, and fetched for an unknown id once in a while.

    While they cannot be fetched, those of before are good for a day.
    """

    def __init__(self, settings: TrustedIssuer) -> None:
        super().__init__(
            settings.keys,
            lifespan=KEYS_LAST_S,
            timeout=FETCH_TIMEOUT_S,
            cooldown_duration=REFETCH_S,
        )
        self._former: tuple[float, Any] | None = None
        self._failed: float | None = None

    def key(self, kid: str | None) -> SigningKey:
        if kid is None:
            raise jwt.InvalidKeyError("a token that names no key")
        found = self.get_signing_key(kid)
        if found.key_type not in KEY_TYPES:
            raise jwt.InvalidKeyError("a secret key")
        return found

    def fetch_data(self) -> Any:
        now = time.monotonic()
        if self._failed is not None and now < self._failed + REFETCH_S:
            return self._kept(now, jwt.PyJWKClientError("The keys could not be fetched just now."))
        try:
            found = super().fetch_data()
        except jwt.PyJWKClientError as error:
            self._failed = now
            log.error("The keys of the issuer at %s could not be fetched: %s", self.uri, error)
            return self._kept(now, error)
        self._former, self._failed = (now, found), None
        return found

    def _kept(self, now: float, error: jwt.PyJWKClientError) -> Any:
        if self._former is None or now > self._former[0] + FORMER_KEYS_S:
            raise error
        return self._former[1]
