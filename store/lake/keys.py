"""What was done for a key: the report, kept so that the same sent again gets it.

What is done again finds it done (see `documents.imports`), so a report that was lost in a crash
costs nothing but its numbers. A report has a few hundred bytes, and stays.
"""

import json
from contextlib import suppress
from dataclasses import asdict

from saelake.store.lake.lake import Lake
from saelake.store.reports import ImportReport
from saelake.store.requests.commands.keys import check_key
from saelake.store.tables.files import read_bytes, write_bytes


def write_done(lake: Lake, corpus: str, key: str, report: ImportReport) -> None:
    """Keep the report of an import into a corpus; no harm where that fails."""
    with suppress(OSError):
        write_bytes(_place(lake, corpus, key), json.dumps(asdict(report)).encode())


def read_done(lake: Lake, corpus: str, key: str) -> ImportReport | None:
    """The report of the import of this key; None where there is none that can be read."""
    with suppress(OSError, ValueError, TypeError):
        data = read_bytes(_place(lake, corpus, key))
        if data is not None:
            found = json.loads(data)
            lists = {name: tuple(found[name]) for name in ("examples", "notes") if name in found}
            return ImportReport(**{**found, **lists})
    return None


def _place(lake: Lake, corpus: str, key: str) -> str:
    check_key("key", key)
    return f"{lake.uri.rstrip('/')}/receipts/imports/{corpus}--{key}.json"
