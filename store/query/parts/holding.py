"""Documents in which an expression of features holds, by posting lists alone."""

from dataclasses import dataclass

import numpy as np

from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array, concatenate
from saelake.store.query.parts.candidates import WHOLE_DOCUMENT, Asked, Candidates
from saelake.store.query.parts.expression import NOTHING, parse
from saelake.store.query.parts.lists import FeatureLists
from saelake.store.query.parts.spread import in_parts
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session


def holding(session: Session, selected: Selected, expression: str) -> Array:
    """The documents of a selection in which the expression holds, int64 ascending.

    Its features may fire anywhere in the document. Raises `InvalidExpression` and `NotFound`.
    """
    collection = selected.collection
    poles = collection.settings.poles
    parsed = parse(expression, poles, str(collection.name))
    asked = Asked(expression=parsed, reach=WHOLE_DOCUMENT, poles=poles)
    found = in_parts(session, collection, _HoldsIn(asked, selected.mask))
    return np.sort(concatenate(found, np.int64))


@dataclass(frozen=True, slots=True)
class _HoldsIn:
    """The documents of a collection, or of a part of one, in which it holds."""

    asked: Asked
    mask: DocumentMask | None

    def __call__(self, part: Collection) -> Array:
        """Int64, ascending; each document is in one part."""
        numbers = {term.number for term in self.asked.expression.features()}
        lists = FeatureLists(part, numbers, self.mask)
        while unread := [n for n, known in lists.of.items() if known.ceiling > NOTHING]:
            lists.read(unread)
        return Candidates.of(self.asked, lists, NOTHING).docs
