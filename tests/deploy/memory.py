"""How much memory a server may take, by what it may compute at once, as the runbook says."""

from collections.abc import Mapping
from typing import Any

SERVING_BYTES = 2 << 30  # of each serving process


def memory_of(settings: Mapping[str, Any]) -> int:
    """The bytes that a server of these settings, as it prints them, may take."""
    limits = settings["limits"]
    n_computed = limits["analyses"] + limits["exports"]
    return int(settings["processes"] * SERVING_BYTES + n_computed * limits["memory-bytes"])
