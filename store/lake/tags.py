"""Tags: names of states of a lake, which stay as they are until the tag is deleted."""

from datetime import datetime

from saelake.store.errors import AlreadyExists, InvalidInput, NotFound
from saelake.store.format.moments import moment_of
from saelake.store.format.schema import LONGEST_NAME, NAME
from saelake.store.lake.lake import DICTIONARIES, Lake
from saelake.store.reports import Tag
from saelake.store.tables.tables import Table

# A table refers to rows of those after it, so it is tagged before them: a state in which each
# refers to rows that exist, like the order in which a reader opens them.
ORDER = (".nearest", ".impacts", ".postings", ".features", ".codes", "", "--skipped", "--deleted")


def make_tag(lake: Lake, name: str) -> Tag:
    """Name the state that the lake is in, so that it can be opened again with `at=name`.

    Its data is kept by `cleanup`; dropping a corpus or a collection deletes it nevertheless.
    Raises `AlreadyExists`, and `InvalidInput` for a name that cannot be one.
    """
    _check_name(name)
    if name in (tag.name for tag in list_tags(lake)):
        raise AlreadyExists(
            f"The lake has a tag {name!r} already. Choose another name, or delete it first with "
            f"`saelake tag {name} --delete`.",
            tag=name,
        )
    try:
        for table in Table.open_all(map(lake.table, sorted(lake.tables(), key=_rank))):
            table.tag(name)
    except BaseException:
        _remove(lake, name)
        raise
    return next(tag for tag in list_tags(lake) if tag.name == name)


def list_tags(lake: Lake) -> list[Tag]:
    """The tags, in the order in which they were made."""
    found: dict[str, list[datetime]] = {}
    for table in Table.open_all(map(lake.table, lake.tables())):
        for name, created in table.tags().items():
            found.setdefault(name, []).append(created)
    tags = [Tag(name=n, created=max(times), n_tables=len(times)) for n, times in found.items()]
    return sorted(tags, key=lambda tag: tag.created)


def delete_tag(lake: Lake, name: str) -> None:
    """Forget a tag; `cleanup` may then delete what only it kept. Raises `NotFound`."""
    check_tag(lake, name)
    _remove(lake, name)


def check_tag(lake: Lake, name: str) -> None:
    """Raise `NotFound` if the lake has no such tag."""
    known = [tag.name for tag in list_tags(lake)]
    if name not in known:
        raise NotFound(
            f"{lake.uri} has no tag {name!r}. Tags: {', '.join(known) or 'none yet'}.", tag=name
        )


def check_state(lake: Lake, at: str) -> None:
    """Raise `NotFound` if `at` is neither a time nor a tag of the lake."""
    if moment_of(at) is None:
        check_tag(lake, at)


def _remove(lake: Lake, name: str) -> None:
    for table in Table.open_all(map(lake.table, lake.tables())):
        table.untag(name)


def _check_name(name: str) -> None:
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name) or moment_of(name) is not None:
        raise InvalidInput(
            f"{name!r} cannot be a tag: use up to {LONGEST_NAME} letters, digits, '.', '_' and "
            "'-', and nothing that reads as a time.",
            tag=name,
        )


def _rank(table: str) -> tuple[int, str]:
    """Where a table comes in the order of tagging."""
    if table == DICTIONARIES or table.startswith(f"{DICTIONARIES}--"):
        return -1, table
    for place, ending in enumerate(ORDER):
        if table.endswith(ending) and (ending or "--" not in table):
            return place, table
    return -1, table
