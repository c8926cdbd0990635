"""Fetching a collection's files into a disk cache before they are asked for."""

from collections.abc import Callable, Iterator
from threading import Lock

from saelake.store.lake.lake import Lake
from saelake.store.reports import Prefetched
from saelake.store.snapshot.collection import Collection
from saelake.store.tables.mirrors import Mirror
from saelake.store.tables.tables import Table


def prefetch(
    collection: Collection, lake: Lake, mirror: Mirror, on_bytes: Callable[[int, int], object]
) -> Prefetched:
    """Fetch the files of a snapshot of a collection, those first that most questions read.

    What there is no room for is left out, and read where it is.
    """
    tables = [(t, t.mirrored) for t in _tables(collection, lake) if t.mirrored is not None]
    missing = [(table, mirrored.missing()) for table, mirrored in tables]
    n_missing = sum(len(files) for _, files in missing)
    total = sum(sum(files.values()) for _, files in missing)
    come, n_left_out, lock = 0, 0, Lock()

    def count(n_bytes: int) -> None:
        nonlocal come
        with lock:
            come += n_bytes
            on_bytes(come, total)

    for table, files in missing:
        n_left_out += len(mirror.fetch(table.uri, files, count))
    return Prefetched(
        n_files=n_missing - n_left_out,
        n_bytes=come,
        n_present=sum(len(mirrored.sizes) for _, mirrored in tables) - n_missing,
        n_left_out=n_left_out,
    )


def _tables(collection: Collection, lake: Lake) -> Iterator[Table]:
    """The tables of a collection: postings and documents are of every list of hits."""
    name = collection.name
    if collection.postings is not None:
        yield collection.postings.table
    yield collection.documents.table
    if collection.impacts is not None:
        yield collection.impacts.table
    yield from Table.open_all([lake.features(name), lake.labels(name.dictionary)])
    yield collection.codes.table
