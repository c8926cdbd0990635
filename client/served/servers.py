"""Which servers an address names: one, or several that serve one lake."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from saelake.store.errors import InvalidInput, Unavailable

PLAIN, SECURE = "grpc://", "grpcs://"
FORM = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s,:\[\]/]+):(\d{1,5})")
Family = socket.AddressFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The addresses in `grpc://HOST:PORT` or `grpc://HOST:PORT,HOST:PORT`; grpcs:// has TLS."""

    addresses: tuple[str, ...]
    secure: bool

    @classmethod
    def parse(cls, uri: str) -> "Servers":
        """Those that a text names. Raises `InvalidInput`."""
        secure = uri.startswith(SECURE)
        named = uri.removeprefix(SECURE).removeprefix(PLAIN).rstrip("/")
        if not named:
            raise InvalidInput(f"{uri!r} names no server: write grpc://HOST:PORT.")
        addresses = tuple(part.strip() for part in named.split(","))
        wrong = [address for address in addresses if not FORM.fullmatch(address)]
        if len(addresses) > 1 and wrong:
            raise InvalidInput(
                f"{wrong[0]!r} is no server: of several, write each as HOST:PORT.", target=uri
            )
        return cls(addresses=addresses, secure=secure)

    def __str__(self) -> str:
        return ",".join(self.addresses)

    @property
    def name(self) -> str | None:
        """The host in whose name the certificates of several servers are."""
        return None if len(self.addresses) == 1 else _parted(self.addresses[0])[0]

    def target(self) -> str:
        """What gRPC takes; the names of several are looked up now.

        gRPC looks one name up itself, again and again, and asks all addresses that it has.
        Raises `Unavailable` for a name that is not known.
        """
        if len(self.addresses) == 1:
            return self.addresses[0]
        pairs = [_parted(address) for address in self.addresses]
        for family, scheme in ((socket.AF_INET, "ipv4"), (socket.AF_INET6, "ipv6")):
            found = [_looked_up(host, port, family) for host, port in pairs]
            if all(found):
                return f"{scheme}:{','.join(dict.fromkeys(a for each in found for a in each))}"
        raise Unavailable(f"Not all of the servers {self} are known by name.", server=self)


def _parted(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _looked_up(host: str, port: int, family: Family) -> Sequence[str]:
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    except OSError:
        return []
    return [_shown(str(at[0]), port, family) for *_, at in found]


def _shown(host: str, port: int, family: Family) -> str:
    return f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"
