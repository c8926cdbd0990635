"""Where a server listens."""

from dataclasses import dataclass

from saelake.store.errors import InvalidInput

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 50051
LARGEST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server listens; port 0 takes a free one."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT

    def __post_init__(self) -> None:
        if not 0 <= self.port <= LARGEST_PORT:
            raise InvalidInput(f"A port is a number up to {LARGEST_PORT}, not {self.port}.")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """The address `HOST:PORT`, or `PORT` of this machine alone. Raises `InvalidInput`."""
        host, _, port = text.rpartition(":")
        if not port.isdecimal() or not port.isascii():
            raise InvalidInput(f"{text!r} is not an address: write HOST:PORT, or PORT.")
        return cls(host=host.strip("[]") or DEFAULT_HOST, port=int(port))


def cannot_listen(address: Address, option: str, error: Exception) -> InvalidInput:
    """What to raise where something else is at an address, or it is of another machine."""
    why = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    return InvalidInput(
        f"Cannot listen on {address}{why}: is another server there, or is the host not this "
        f"machine's? Choose another {option}, or port 0 for a free one.",
        address=address,
    )
