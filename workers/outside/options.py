"""How codes from elsewhere are imported."""

from dataclasses import dataclass
from typing import Literal

from saelake.store.errors import InvalidInput
from saelake.store.format.schema import Unit
from saelake.store.reports import OnDuplicate
from saelake.workers.outside.keys import MOST_FEATURES

KeyKind = Literal["names", "numbers"]
OnUnknown = Literal["fail", "skip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesOptions:
    """What a collection of codes from elsewhere is made with, and what becomes of odd rows.

    None is as the collection was begun; of a new one what the source says, or: of documents,
    without values below 0, in 16 bits. Of a new dictionary `width` is how many features it has,
    with room for those of later rows (None: as the rows have, twice as many where features have
    names). `keys` says whether strings that look like numbers are names.
    `on_duplicate` is about a row whose document has another vector in the collection: `skip` leaves
    it out and counts it, `update` puts it in place of that, and `fail` refuses the source; and
    about the documents that come with the vectors, as in any import. `on_unknown` is about rows
    that are of no document: `fail` refuses the source, `skip` counts them. `made_by` says for
    people what made the codes.
    """

    unit: Unit | None = None
    width: int | None = None
    signed: bool | None = None
    values: str | None = None
    keys: KeyKind | None = None
    on_duplicate: OnDuplicate = "skip"
    on_unknown: OnUnknown = "fail"
    made_by: str | None = None

    def __post_init__(self) -> None:
        most = MOST_FEATURES // 2 if self.signed else MOST_FEATURES
        if self.width is not None and not 0 < self.width <= most:
            poles = ", for each of its features has two poles" if self.signed else ""
            raise InvalidInput(
                f"A width of {self.width:,} cannot be: it is from 1 to {most:,}{poles}.",
                width=self.width,
            )
        if self.on_unknown not in ("fail", "skip"):
            raise InvalidInput(f"on_unknown is fail or skip, not {self.on_unknown!r}.")
        if self.unit not in (None, "token", "span", "document"):
            raise InvalidInput(f"A unit is a token, a span or a document, not {self.unit!r}.")
        if self.keys not in (None, "names", "numbers"):
            raise InvalidInput(f"Keys are names or numbers, not {self.keys!r}.")
