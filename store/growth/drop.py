"""Drop a collection or a corpus: it is gone by one commit, and its files after that."""

from contextlib import suppress

from saelake.store.errors import NotFound
from saelake.store.lake.dictionaries import unregister_dictionary
from saelake.store.lake.keys import forget_done
from saelake.store.lake.lake import DICTIONARIES, CollectionName, Lake
from saelake.store.lake.names import change_names
from saelake.store.lake.receipts import forget_receipt
from saelake.store.tables.changes import Change
from saelake.store.tables.files import delete, list_files
from saelake.store.tables.tables import Table, drop


def drop_target(lake: Lake, target: str) -> tuple[str, ...]:
    """Delete a collection (`corpus/dictionary`), or a corpus with all of its; what was deleted.

    With all earlier states, also tagged ones. A dictionary that has no collection left is
    forgotten with its labels, and its name is free. Safe to kill: the same command goes on.
    Raises `NotFound`.
    """
    lake = lake.pinned()
    if "/" in target:
        name = CollectionName.parse(target)
        if name not in lake.collections():
            raise NotFound(
                f"There is no collection {name} in {lake.uri}. See `saelake info`.", target=target
            )
        return (_drop_collection(lake, name),)
    if target not in lake.corpora():
        raise NotFound(f"There is no corpus {target!r} in {lake.uri}.", target=target)
    return _drop_corpus(lake, target)


def _drop_corpus(lake: Lake, corpus: str) -> tuple[str, ...]:
    names = [name for name in lake.collections() if name.corpus == corpus]
    dropped = [_drop_collection(lake, name) for name in names]
    forget_done(lake, corpus)
    _empty(lake.documents(corpus))
    for table in lake.tables():
        if table.startswith(f"{corpus}--"):  # vectors, what an import left out, tombstones
            drop(lake.table(table))
    drop(lake.documents(corpus))
    _delete_files(lake, f"{corpus}--")
    return (*dropped, corpus)


def _drop_collection(lake: Lake, name: CollectionName) -> str:
    """Delete a collection's tables; the codes last, which say that there is one.

    Postings of codes that are gone are never read, but those of earlier codes of the same name
    might be.
    """
    _empty(lake.codes(name))
    stem = f"{name.corpus}--{lake.tables_of(name.dictionary)}."
    for table in lake.tables():
        if table.startswith(stem) and lake.table(table) != lake.codes(name):
            drop(lake.table(table))
    drop(lake.codes(name))
    forget_receipt(lake, name)
    if all(other.dictionary != name.dictionary for other in lake.collections()):
        forget_dictionary(lake, name.dictionary)
    return str(name)


def forget_dictionary(lake: Lake, dictionary: str) -> None:
    """Delete a dictionary's labels and directions, what is registered of it, and its name."""
    lake = lake.pinned()
    drop_dictionary(lake, lake.tables_of(dictionary))
    if lake.names is not None and dictionary in lake.names.meant:
        change_names(lake.dictionary_names, lambda names: names.without_name(dictionary))


def drop_dictionary(lake: Lake, tables: str) -> None:
    """Delete the tables of a dictionary itself, and what is registered of it."""
    stem = f"{DICTIONARIES}--{tables}."
    for table in lake.tables():
        if table.startswith(stem):
            drop(lake.table(table))
    _delete_files(lake, stem)
    unregister_dictionary(lake, tables)


def _delete_files(lake: Lake, stem: str) -> None:
    """Delete the files beside tables of these names: indexes of vectors."""
    for uri in list_files(lake.uri):
        if uri.rpartition("/")[2].startswith(stem):
            delete(uri)


def _empty(uri: str) -> None:
    """Take all rows out by one commit; of a table that a killed drop has left, there are none."""

    def decide(snapshot: Table) -> Change | None:
        gone = tuple(fragment.id for fragment in snapshot.fragments)
        return Change(remove=gone) if gone else None

    with suppress(NotFound):  # also when another drop is faster
        Table.open(uri).commit(decide)
