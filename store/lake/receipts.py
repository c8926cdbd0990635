"""Receipts: of what a collection was last encoded in full. They save work, and decide nothing.

A receipt is believed only where the tables say the same; one that is lost, old or damaged costs
time, since then models are loaded to find out that nothing is to be done.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.tables.files import delete, read_bytes, write_bytes


def write_receipt(lake: Lake, name: CollectionName, receipt: Mapping[str, Any]) -> None:
    """Keep the receipt of a collection, in place of an earlier one; no harm where that fails."""
    with suppress(OSError):
        write_bytes(_place(lake, name), json.dumps(receipt).encode())


def read_receipt(lake: Lake, name: CollectionName) -> Mapping[str, Any] | None:
    """The receipt of a collection; None where there is none that can be read."""
    with suppress(OSError, ValueError):
        data = read_bytes(_place(lake, name))
        found = None if data is None else json.loads(data)
        return found if isinstance(found, dict) else None
    return None


def forget_receipt(lake: Lake, name: CollectionName) -> None:
    """Take the receipt of a collection away, if there is one."""
    with suppress(OSError):
        delete(_place(lake, name))


def _place(lake: Lake, name: CollectionName) -> str:
    stem = f"{name.corpus}--{lake.tables_of(name.dictionary)}"
    return f"{lake.uri.rstrip('/')}/receipts/{stem}.json"
