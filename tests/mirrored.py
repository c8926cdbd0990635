"""Lakes in a bucket, with a disk cache, for tests."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow import fs

from saelake.store.engine import Engine
from saelake.store.tables import mirrored as looks
from saelake.store.tables.diskcache import DiskCache
from saelake.store.tables.files import filesystem_of
from saelake.store.tables.mirrors import Mirror, mirror_of

WAIT_S = 30.0


def uploaded(lake: Path | str, uri: str) -> str:
    """A lake on a disk, copied into a bucket as it is."""
    filesystem, path = filesystem_of(uri)
    fs.copy_files(str(lake), path, destination_filesystem=filesystem)
    return uri


def files(cache: DiskCache) -> list[Path]:
    """The files of tables that are in a cache, whole or in parts."""
    found = cache.folder.rglob("*")
    return sorted(p for p in found if p.is_file() and p.name != "used")


def settled(mirror: Mirror) -> None:
    """Return when everything that is wanted has come, or been refused."""
    until = time.monotonic() + WAIT_S
    while not mirror.idle():
        assert time.monotonic() < until
        time.sleep(0.01)


def mirror_at(uri: str) -> Mirror:
    """The mirror of a lake."""
    found = mirror_of(f"{uri}/any.lance")
    assert found is not None
    return found


@contextmanager
def cached(uri: str, cache: DiskCache) -> Iterator[Engine]:
    """An engine of a lake with a disk cache, which looks for new files whenever it reads."""
    before = looks.LOOK_S, looks.SETTLED_S
    looks.LOOK_S = looks.SETTLED_S = 0.0
    engine = Engine(uri, disk_cache=cache)
    try:
        yield engine
    finally:
        engine.close()
        looks.LOOK_S, looks.SETTLED_S = before
