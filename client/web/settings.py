"""What a page is served with."""

from dataclasses import dataclass, field
from pathlib import Path

from saelake.store.wire.address import Address

PORT = 8051


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Where the page listens, by which names it may be called, and whether callers sign in.

    `hosts` are names beside `address` that browsers may use, as those of a proxy in front; others
    are refused, else a foreign page could call it by a name of its own. With `signs_in` a caller
    must bring a token, which the server judges. `certificate` and `key`: PEM files for HTTPS.
    """

    address: Address = field(default_factory=lambda: Address(port=PORT))
    hosts: tuple[str, ...] = ()
    signs_in: bool = False
    certificate: Path | None = None
    key: Path | None = None

    @property
    def scheme(self) -> str:
        """`https` where there is a certificate."""
        return "https" if self.certificate else "http"
