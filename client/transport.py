"""The one seam between asking and answering: the methods of an engine, wherever it runs."""

from typing import Protocol

import pyarrow as pa

from saelake.store.requests import DocumentQuery, ExportQuery, FeaturesQuery, TokensQuery


class Transport(Protocol):
    """Asks questions of one lake. Answers are Arrow batches, and errors are `SaelakeError`s.

    `saelake.store.engine.Engine` answers in this process, `saelake.remote.Remote` asks a server;
    the columns of each answer stand in proto/v1/lake.proto.
    """

    def info(self) -> pa.RecordBatchReader:
        """What is in the lake."""

    def tokens(self, query: TokensQuery, /) -> pa.RecordBatchReader:
        """The tokens that fire a feature or an expression."""

    def features(self, query: FeaturesQuery, /) -> pa.RecordBatchReader:
        """Statistics of features."""

    def document(self, query: DocumentQuery, /) -> pa.RecordBatchReader:
        """One document with its codes."""

    def export_codes(self, query: ExportQuery, /) -> pa.RecordBatchReader:
        """All codes of a selection."""

    def export_embeddings(self, query: ExportQuery, /) -> pa.RecordBatchReader:
        """The SAE embeddings of a selection."""

    def verify(self, collection: str | None = None, /) -> pa.RecordBatchReader:
        """Whether the lake's tables agree with each other."""

    def close(self) -> None:
        """Let go of connections."""
