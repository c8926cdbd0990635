"""Quantities as people write them: sizes and ages."""

import re
from datetime import timedelta

from saelake.store.errors import InvalidInput

BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
HOURS = {"h": 1, "d": 24, "w": 24 * 7}


def parse_size(text: str) -> int:
    """The bytes of `512MiB`, `2GB` or `1000000`. Raises `InvalidInput`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", text.strip().upper())
    n_bytes = int(float(found[1]) * BYTES[found[2]]) if found else 0
    if not n_bytes:
        raise InvalidInput(f"{text!r} is not a size: write 512MiB or 2GiB.")
    return n_bytes


def parse_age(text: str) -> timedelta:
    """The time in `12h`, `7d` or `2w`. Raises `InvalidInput`."""
    found = re.fullmatch(r"(\d+)\s*([hdw])", text.strip().lower())
    if not found:
        raise InvalidInput(f"{text!r} is not an age: write 12h, 7d or 2w.")
    return timedelta(hours=int(found[1]) * HOURS[found[2]])
