"""A selection: a snapshot of a collection, and which of its documents a question is about."""

from collections.abc import Hashable
from dataclasses import dataclass

from saelake.store.documents.filters import DocumentMask
from saelake.store.snapshot.collection import Collection


@dataclass(frozen=True, slots=True)
class Selected:
    """A snapshot of a collection, and which of its documents are meant (None: all)."""

    collection: Collection
    mask: DocumentMask | None

    @property
    def codes_key(self) -> Hashable:
        """What tells this snapshot of codes from every other."""
        return self.collection.codes.table.key

    @property
    def key(self) -> Hashable:
        """What tells this snapshot, and what of it is deleted, from every other."""
        return self.codes_key, self.collection.documents.tombstones.key

    @property
    def whole(self) -> "Selected":
        """All documents of the collection."""
        return Selected(self.collection, self.collection.filters.mask(None))

    @property
    def width(self) -> int:
        """How many poles there are: the features, or of a signed dictionary two for each."""
        return self.collection.settings.width
