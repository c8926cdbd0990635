"""An issuer of tokens, whom a server trusts."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from saelake.store.errors import InvalidInput
from saelake.store.wire.hosts import is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """Whose tokens are taken, and if they are for whom.

    `keys` is a file with its public key (PEM) or keys (JWKS), or the `https://` address of these.
    """

    issuer: str
    audience: str
    keys: str

    def __post_init__(self) -> None:
        if missing := [name for name in self.__slots__ if not getattr(self, name)]:
            raise InvalidInput(f"An issuer of tokens needs the {' and the '.join(missing)} too.")
        url = urlsplit(self.keys)
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            raise InvalidInput(f"Keys from {self.keys} could be anybody's: write https://.")

    @property
    def is_remote(self) -> bool:
        """Whether his keys are fetched."""
        return self.keys.startswith(("https://", "http://"))
