"""Values of a column as what can be chosen for a filter."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from saelake.answers.values import ValueCount, ValueCounts
from saelake.store.predicates.grammar import further

UNWRITABLE = frozenset("\n\r\0")  # a field of one line drops these


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChoice:
    """A row of values; `part` is its documents as a part of the most that a row has.

    `where` is what the field says when it is chosen: what it said before, and this. `address` is
    that of the page whose field says so. Both are None where no filter can say it, or no field.
    """

    row: ValueCount
    part: float
    where: str | None
    address: str | None


def choices(answer: ValueCounts, given: str | None, field: str, back: str) -> Sequence[ValueChoice]:
    """The rows of an answer about documents that the filter in a field keeps, `given`.

    `back` is the address of the page that has the field.
    """
    most = max((row.n_documents for row in answer), default=1)
    found = []
    for row in answer:
        where = None if row.where is None else further(given, row.where)
        if where is not None and UNWRITABLE & set(where):
            where = None
        address = None if where is None else _with(back, field, where)
        part = row.n_documents / most
        found.append(ValueChoice(row=row, part=part, where=where, address=address))
    return found


def _with(address: str, field: str, value: str) -> str:
    """The address, with another value in one of its fields."""
    split = urlsplit(address)
    others = [(name, said) for name, said in parse_qsl(split.query) if name != field]
    return f"{split.path}?{urlencode([*others, (field, value)])}"
