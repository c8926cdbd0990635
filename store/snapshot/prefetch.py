"""Fetching a collection's files into a disk cache before they are asked for."""

from collections.abc import Callable, Iterator

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
    missing = [(table, found) for table in _tables(collection, lake) for found in _missing(table)]
    total = sum(n_bytes for _, (_, n_bytes) in missing)
    come, n_left_out = 0, 0

    def count(n_bytes: int) -> None:
        nonlocal come
        come += n_bytes
        on_bytes(come, total)

    for table, (name, n_bytes) in missing:
        n_left_out += len(mirror.fetch(table.uri, {name: n_bytes}, count))
    return Prefetched(
        n_files=len(missing) - n_left_out,
        n_bytes=come,
        n_present=sum(_n_files(t) for t in _tables(collection, lake)) - len(missing),
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


def _missing(table: Table) -> list[tuple[str, int]]:
    return [] if table.mirrored is None else list(table.mirrored.missing().items())


def _n_files(table: Table) -> int:
    return 0 if table.mirrored is None else len(table.mirrored.sizes)
