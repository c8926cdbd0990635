"""The engine: every question that can be asked of a lake, answered as Arrow batches.

All faces (Python, command line, gRPC) call these methods, and turn what they answer into values,
text or frames. A method raises before its first batch wherever that is possible.
"""

import time
from threading import Lock

import pyarrow as pa

from saelake.store.collection import Collection
from saelake.store.errors import NotFound
from saelake.store.lake import CollectionName, Lake
from saelake.store.query.document import document
from saelake.store.query.export import export_codes, export_embeddings
from saelake.store.query.features import features
from saelake.store.query.hits import hits
from saelake.store.query.info import info
from saelake.store.query.tokens import search
from saelake.store.requests import DocumentQuery, ExportQuery, FeaturesQuery, TokensQuery
from saelake.store.tables import Table
from saelake.store.verify import verify

FRESH_S = 1.0  # how old a snapshot may be before it is looked at whether there is a newer one


class Engine:
    """The questions of one lake; thread-safe. Answers are of one snapshot each."""

    def __init__(self, uri: str) -> None:
        self.lake = Lake(uri)
        self._collections: dict[CollectionName, tuple[float, Collection]] = {}
        self._lock = Lock()

    def info(self) -> pa.RecordBatchReader:
        """What is in the lake, one row for each collection (`query.info.INFO`)."""
        return info(self.lake).to_reader()

    def tokens(self, query: TokensQuery) -> pa.RecordBatchReader:
        """The tokens that fire a feature or an expression (`query.hits.hits_schema`)."""
        collection = self._collection(query.collection)
        return hits(collection, search(collection, query), query.context)

    def features(self, query: FeaturesQuery) -> pa.RecordBatchReader:
        """Statistics of features (`schema.FEATURES_COLUMNS`)."""
        collection = self._collection(query.collection)
        try:
            table = Table.open(self.lake.features(collection.name))
        except NotFound:
            table = None
        return features(collection, table, query).to_reader()

    def document(self, query: DocumentQuery) -> pa.RecordBatchReader:
        """One document with its codes (`query.document.document_schema`), one row."""
        batch = document(self._collection(query.collection), query)
        return pa.RecordBatchReader.from_batches(batch.schema, [batch])

    def export_codes(self, query: ExportQuery) -> pa.RecordBatchReader:
        """All codes of a selection (`query.export.CODES`)."""
        return export_codes(self._collection(query.collection), query)

    def export_embeddings(self, query: ExportQuery) -> pa.RecordBatchReader:
        """The SAE embeddings of a selection (`query.export.EMBEDDINGS`)."""
        return export_embeddings(self._collection(query.collection), query)

    def verify(self, collection: str | None = None) -> pa.RecordBatchReader:
        """Whether the lake's tables agree with each other (`verify.CHECKS`)."""
        named = None if collection is None else CollectionName.parse(collection)
        return verify(self.lake, named)

    def close(self) -> None:
        """Forget the snapshots."""
        with self._lock:
            self._collections.clear()

    def _collection(self, name: str) -> Collection:
        """A snapshot that is at most `FRESH_S` older than the newest."""
        parsed = CollectionName.parse(name)
        with self._lock:
            checked, known = self._collections.get(parsed, (0.0, None))
        now = time.monotonic()
        if known is not None and (now - checked < FRESH_S or known.is_current):
            found = known
        else:
            found = Collection(self.lake, parsed)
        with self._lock:
            self._collections[parsed] = (now, found)
        return found
