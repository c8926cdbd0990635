"""Which addresses are of this machine alone."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def stays_here(target: str) -> bool:
    """Whether what is sent to `HOST:PORT`, or to several with commas, never leaves this machine."""
    return all(map(_is_here, target.split(",")))


def _is_here(address: str) -> bool:
    place = address.strip().rpartition("/")[2]  # of dns:///HOST:PORT
    host = place if place.endswith("]") else place.rpartition(":")[0] or place
    return address.strip().startswith("unix:") or is_loopback(host)
