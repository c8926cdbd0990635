"""Bearer tokens that we make: `sl_`, by which one is found, and a secret, of which a hash is kept.

The secret has 256 random bits, which nobody guesses: a fast hash keeps it as well as a slow one
would, and does not let strangers make the server compute.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

PREFIX = "sl"
ID_BYTES, SECRET_BYTES, SALT_BYTES = 6, 32, 16
LONGEST_TOKEN = 16 << 10  # in characters; those of issuers have a few thousand


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedToken:
    """What is kept of a token: `id` is in clear in it, `salt` and `digest` are hexadecimal."""

    id: str
    salt: str
    digest: str

    def fits(self, secret: str) -> bool:
        """Whether this is of the secret, by a comparison that takes the same time either way."""
        return hmac.compare_digest(_digest(self.salt, secret), self.digest)


NO_TOKEN = HashedToken(id="", salt="00" * SALT_BYTES, digest="")


def new_token() -> tuple[str, HashedToken]:
    """A token, and what to keep of it."""
    token_id, secret = secrets.token_hex(ID_BYTES), secrets.token_hex(SECRET_BYTES)
    salt = secrets.token_hex(SALT_BYTES)
    kept = HashedToken(id=token_id, salt=salt, digest=_digest(salt, secret))
    return f"{PREFIX}_{token_id}_{secret}", kept


def split_token(token: str) -> tuple[str, str] | None:
    """The id and the secret of a token; None where it is none of ours."""
    prefix, _, rest = token.partition("_")
    token_id, _, secret = rest.partition("_")
    return (token_id, secret) if prefix == PREFIX and secret else None


def _digest(salt: str, secret: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + secret.encode(errors="replace")).hexdigest()
