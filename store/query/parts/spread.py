"""Work on posting lists in parts of a collection, where others own these."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from saelake.store.codes.executor import as_owners
from saelake.store.documents.filters import DocumentMask
from saelake.store.query.parts.matches import TokensFound
from saelake.store.query.parts.search import search
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.part import AsPart, CollectionPart
from saelake.store.snapshot.session import Session

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _PartSearch:
    """A search in one part, of the documents that a filter keeps."""

    query: TokensQuery
    mask: DocumentMask | None

    def __call__(self, part: Collection) -> TokensFound:
        assert isinstance(part, CollectionPart)
        return search(part.masked(self.mask), self.query)


def in_parts(
    session: Session, collection: Collection, work: Callable[[Collection], R]
) -> Iterator[R]:
    """What `work` makes of each part of a collection, where others own these, or else of all."""
    owners = as_owners(session.executor)
    if owners is None or not (parts := session.parts(collection)):
        yield work(collection)
        return
    for found in owners.map_parts(AsPart(), work, parts):
        yield from found


def spread_search(session: Session, collection: Collection, query: TokensQuery) -> TokensFound:
    """What `search` finds, in the parts of those who own them, where that takes less time.

    Each document is in one part, so the strongest of all are among the strongest of each.
    """
    if as_owners(session.executor) is None or not session.parts(collection):
        return search(collection, query)
    in_part = query if query.order == "top" else replace(query, order="top", k=None)
    work = _PartSearch(in_part, collection.filters.mask(query.where))
    joined = TokensFound.joined(in_parts(session, collection, work))
    if query.order == "quantiles":
        return joined.spread(query.k or len(joined))
    return joined.strongest(query.k)
