"""Replace a dictionary: its name means another one's collections from one commit on."""

from datetime import UTC, datetime

from saelake.store.codes.table import CodesTable
from saelake.store.errors import Conflict, InvalidInput, NotFound
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.lake.names import Names, change_names
from saelake.store.reports import ReplaceReport
from saelake.store.snapshot.collection import open_codes


def replace_dictionary(lake: Lake, old: str, new: str) -> ReplaceReport:
    """Let the name `old` mean what `new` does, in every corpus, by one commit.

    The name `new` is free afterwards. Readers see the one or the other; what `old` meant before is
    kept for those who still read it, and for earlier states, until `cleanup`. Raises `NotFound`
    for a dictionary without collections, and `InvalidInput` where documents would be lost: where
    `old` has codes of documents that `new` has not.
    """
    lake = lake.pinned()
    if old == new:
        raise InvalidInput(f"{old} cannot replace itself: name two dictionaries.")
    before, after = (_collections(lake, dictionary) for dictionary in (old, new))
    for corpus, name in before.items():
        _check_encoded(lake, name, after.get(corpus), new)

    def change(names: Names) -> Names:
        if names != lake.names:
            raise Conflict("Another name was replaced at the same time. Look, and try again.")
        return names.replaced(old, new, datetime.now(UTC))

    change_names(lake.dictionary_names, change)
    return ReplaceReport(
        dictionary=old, collections=tuple(f"{corpus}/{old}" for corpus in sorted(after))
    )


def _collections(lake: Lake, dictionary: str) -> dict[str, CollectionName]:
    found = {name.corpus: name for name in lake.collections() if name.dictionary == dictionary}
    if not found:
        raise NotFound(
            f"{lake.uri} has no collection of a dictionary {dictionary!r}. See `saelake info`.",
            dictionary=dictionary,
        )
    return found


def _check_encoded(
    lake: Lake, old: CollectionName, new: CollectionName | None, dictionary: str
) -> None:
    """Raise `InvalidInput` if the new collection lacks documents that the old one has."""
    has = [] if new is None else _encoded(lake, new)
    n_missing = sum(_n_outside(start, stop, has) for start, stop in _encoded(lake, old))
    if n_missing:
        raise InvalidInput(
            f"{n_missing} documents of {old} are not encoded by {dictionary}, so it cannot replace "
            f"{old.dictionary}: finish `saelake encode {old.corpus} --name {dictionary} …` first, "
            f"or give up the collection with `saelake drop {old}`.",
            collection=str(old),
        )


def _encoded(lake: Lake, name: CollectionName) -> list[tuple[int, int]]:
    """The documents that a collection has, as half-open ranges."""
    try:
        return CodesTable(open_codes(lake, name)).locations.ranges()
    except NotFound:
        return []  # begun, but no shard is finished


def _n_outside(start: int, stop: int, ranges: list[tuple[int, int]]) -> int:
    """How many of the documents [start, stop) are in none of the ranges."""
    return stop - start - sum(max(min(stop, b) - max(start, a), 0) for a, b in ranges)
