"""What a page is served with."""

from dataclasses import dataclass, field
from pathlib import Path

from saelake.store.wire.address import Address

PORT = 8051
BODY_BYTES = 4 << 20  # as gRPC takes of a request


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Where the page listens, by which names it may be called, and how it is protected.

    `hosts` are names beside `address` that browsers may use, as those of a proxy in front; others
    are refused, else a foreign page could call it by a name of its own. `certificate` and `key` are
    PEM files for HTTPS; with `client_ca` callers must have a certificate that it signed. A request
    has at most `body_bytes`. Answers under way when it stops have `grace_s`. Several processes may
    share the port (`shares_port`).
    """

    address: Address = field(default_factory=lambda: Address(port=PORT))
    hosts: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    body_bytes: int = BODY_BYTES
    grace_s: float = 5.0
    shares_port: bool = False

    @property
    def scheme(self) -> str:
        """`https` where there is a certificate."""
        return "https" if self.certificate else "http"

    @property
    def cookie(self) -> str:
        """What the token of who signed in is kept in: browsers tell ports of a host apart by
        nothing else.
        """
        return f"saelake-token-{self.address.port}"
