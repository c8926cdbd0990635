"""Opening a snapshot of a Lance table by its address, which may end with a tag, a time or a pin."""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import lance

from saelake.store.errors import InvalidInput, NotFound
from saelake.store.format.moments import moment_of
from saelake.store.requests.waited.waiting import wait
from saelake.store.tables.files import local_path
from saelake.store.tables.mirrors import is_unmirrored
from saelake.store.tables.objectstore import credentials, is_s3, lance_options

SUFFIX = ".lance"
PINNED = "="  # how the end of an address begins that names one version
LOOKS = 5  # for the newest snapshot, beside who writes and cleans up without a pause
SESSION_BYTES = 128 << 20  # of what is known of files in object stores, and of indexes there


def parted(uri: str) -> tuple[str, str | None]:
    """An address, and the tag or time at its end."""
    place, sign, at = uri.rpartition(f"{SUFFIX}#")
    return (f"{place}{SUFFIX}", at) if sign else (uri, None)


def opened(uri: str, at: str | None, version: int | None) -> "lance.LanceDataset":
    """The newest snapshot at an address, or that of a tag, a time or a version."""
    wait()
    given: dict[str, Any] = {"storage_options": lance_options(uri), "session": _session_of(uri)}
    if at is not None and is_pin(at):
        version, at = int(at.removeprefix(PINNED).partition(".")[0]), None
    if at is None:
        return (
            _newest(uri, given) if version is None else lance.dataset(uri, version=version, **given)
        )
    moment = moment_of(at)
    if moment is None:
        return lance.dataset(uri, version=at, **given)
    # Lance compares with local times that do not say so.
    local = moment.astimezone().replace(tzinfo=None)
    return lance.dataset(uri, asof=local, **given)


def _newest(uri: str, given: Mapping[str, Any]) -> "lance.LanceDataset":
    """The newest snapshot, which may be replaced and cleaned up while it is opened: then the next.

    In an object store nobody looks again, as each look for what is not there is a request.
    """
    folder = local_path(uri)
    for _ in range(LOOKS - 1 if folder is not None and Path(folder).exists() else 0):
        try:
            return lance.dataset(uri, **given)
        except (ValueError, OSError) as error:
            if not is_absent(error):
                raise
    return lance.dataset(uri, **given)


def is_absent(error: Exception) -> bool:
    """Whether Lance says that there is no such snapshot."""
    said = str(error).lower()
    return "not found" in said or "is earlier than" in said


def is_pin(at: str) -> bool:
    """Whether the end of an address names one version, as `=VERSION.MARK`; `=0` is no table."""
    return at.startswith(PINNED)


def gone(place: str) -> NotFound:
    """That a snapshot was pinned which is not there any more."""
    return NotFound(
        f"The state that was asked for is gone: {place} was cleaned up or dropped since. Ask of "
        "the newest state, without `at`; a tag keeps the state that it names.",
        uri=place,
    )


def _session_of(uri: str) -> "lance.Session | None":
    """What Lance knows of the files of tables in object stores: each is asked for once.

    Files and manifests are known by name and, those whose names come again, by their content's tag.
    """
    shared = is_s3(uri) and not is_unmirrored()
    return _session(credentials(os.environ)) if shared else None


@lru_cache(maxsize=1)  # connections keep the credentials that they were made with
def _session(_who: int) -> "lance.Session":
    return lance.Session(
        index_cache_size_bytes=SESSION_BYTES, metadata_cache_size_bytes=SESSION_BYTES
    )


def check_writable(uri: str) -> None:
    """Raise `InvalidInput` for the address of an earlier state."""
    place, at = parted(uri)
    if at is not None:
        raise InvalidInput(
            f"{place} is opened as it was at {at!r}, and what was cannot be changed. Write into "
            "the lake as it is, without `at`.",
            uri=place,
            at=at,
        )
