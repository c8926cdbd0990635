"""What was done for a key: the report, kept so that the same sent again gets it.

What is done again finds it done (see `documents.imports`), so a report that was lost in a crash
costs nothing but its numbers. A report has a few hundred bytes, and stays as long as its corpus.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass

from saelake.store.lake.lake import Lake
from saelake.store.reports import ImportReport
from saelake.store.requests.commands.keys import check_key
from saelake.store.tables.files import delete, list_files, read_bytes, write_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An import that was done: its report, and the digest of what was imported (None: of one that
    an earlier saelake did).
    """

    report: ImportReport
    digest: str | None = None


def write_done(lake: Lake, corpus: str, key: str, done: Done) -> None:
    """Keep what an import into a corpus did; no harm where that fails."""
    with suppress(OSError):
        kept = {**asdict(done.report), "digest": done.digest}
        write_bytes(_place(lake, corpus, key), json.dumps(kept).encode())


def read_done(lake: Lake, corpus: str, key: str) -> Done | None:
    """What the import of this key did; None where there is nothing that can be read."""
    with suppress(OSError, ValueError, TypeError):
        data = read_bytes(_place(lake, corpus, key))
        if data is not None:
            found = json.loads(data)
            digest = found.pop("digest", None)
            lists = {name: tuple(found[name]) for name in ("examples", "notes") if name in found}
            return Done(report=ImportReport(**{**found, **lists}), digest=digest)
    return None


def forget_done(lake: Lake, corpus: str) -> None:
    """Take away what was done for a corpus that is about to be dropped. Raises what hinders that:
    who sends it again would lose his documents.
    """
    for uri in list_files(_folder(lake)):
        if uri.rpartition("/")[2].startswith(f"{corpus}--"):
            delete(uri)


def _place(lake: Lake, corpus: str, key: str) -> str:
    check_key("key", key)
    return f"{_folder(lake)}/{corpus}--{key}.json"


def _folder(lake: Lake) -> str:
    return f"{lake.uri.rstrip('/')}/receipts/imports"
