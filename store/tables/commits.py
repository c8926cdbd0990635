"""The file of a commit, by which a table that was dropped and made anew is told from the old one.

Both have the same address and, in time, the same version numbers.
"""

from contextlib import suppress
from pathlib import Path

from saelake.store.tables.files import local_path

_LAST = 2**64 - 1  # newer versions come first in a listing: their names count down from here


def commit_file(uri: str, version: int) -> tuple[int, int, int] | None:
    """What tells the file of this version from one of the same name: number, time and bytes.

    None in an object store, and where the version is gone.
    """
    place = local_path(uri)
    if place is None:
        return None
    for name in (f"{_LAST - version}.manifest", f"{version}.manifest"):
        with suppress(OSError):
            found = Path(place, "_versions", name).stat()
            return found.st_ino, found.st_mtime_ns, found.st_size
    return None
