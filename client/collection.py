"""A collection, or a selection of it: what questions are asked of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from os import PathLike

import pyarrow as pa

from saelake.exports import write_codes, write_embeddings
from saelake.results import CollectionInfo, Document, Feature, Features, Info, Tokens
from saelake.store.errors import NotFound
from saelake.store.requests import (
    DocumentQuery,
    ExportQuery,
    FeatureOrder,
    FeaturesQuery,
    Order,
    Per,
    TokensQuery,
)
from saelake.transport import Transport

Path = str | PathLike[str]


@dataclass(frozen=True, slots=True)
class Collection:
    """A corpus encoded by a dictionary, maybe narrowed to the documents that a filter keeps.

    Make one with `lake["corpus/dictionary"]`. Nothing is read until a question is asked; every
    question raises `NotFound` when there is no such collection.
    """

    name: str
    transport: Transport
    filter: str | None = None

    def where(self, predicate: str) -> "Collection":
        """The documents of this selection that also fulfil an SQL predicate over metadata.

        >>> reviews.where("label = 'pos'").where("rating >= 8")  # doctest: +SKIP
        """
        return replace(self, filter=self._and(predicate))

    def tokens(
        self,
        expression: int | str,
        k: int | None = 20,
        *,
        per: Per = "document",
        where: str | None = None,
        order: Order = "top",
        scope: str = "token",
        context: int = 60,
    ) -> Tokens:
        """The tokens that fire a feature, or an expression of features, strongest first.

        Ties are in the order of documents, then positions. See `TokensQuery` for the arguments;
        `k=None` is all. Raises `InvalidExpression`, `InvalidFilter` and `NotFound`.
        """
        query = TokensQuery(
            collection=self.name,
            expression=str(expression),
            k=k,
            per=per,
            where=self._and(where),
            order=order,
            scope=scope,
            context=context,
        )
        return Tokens(self.transport.tokens(query).read_all(), expression=query.expression)

    def features(
        self,
        features: int | Sequence[int] | None = None,
        *,
        token: str | None = None,
        k: int | None = 20,
        order: FeatureOrder = "documents",
    ) -> Features:
        """Statistics of features over the whole collection: those numbered, or the first `k`.

        `token` keeps the features that peak on this word. Raises `NotFound` for a feature that
        does not exist, and when the collection is not indexed yet.
        """
        wanted = (features,) if isinstance(features, (int, Integral)) else features
        query = FeaturesQuery(
            collection=self.name,
            features=None if wanted is None else tuple(wanted),
            token=token,
            k=k,
            order=order,
        )
        return Features(self.transport.features(query).read_all())

    def feature(self, feature: int) -> Feature:
        """Statistics of one feature. Raises `NotFound`."""
        return self.features(feature)[0]

    def document(
        self,
        id: str | None = None,  # noqa: A002  # what the column is called
        *,
        doc: int | None = None,
        features: Sequence[int] | None = None,
    ) -> Document:
        """One document with all its codes, or those of `features`. Raises `NotFound`."""
        only = None if features is None else tuple(features)
        query = DocumentQuery(collection=self.name, id=id, doc=doc, features=only)
        return Document(self.transport.document(query).read_all())

    def info(self) -> CollectionInfo:
        """What is stored of the collection. Raises `NotFound`."""
        for row in Info(self.transport.info().read_all()):
            if row.name == self.name:
                return row
        raise NotFound(f"There is no collection {self.name}.", collection=self.name)

    def codes(self, where: str | None = None) -> pa.RecordBatchReader:
        """Every code of the selection: id, doc, position, token_id, feature, value.

        Ordered by document, position and feature; batches come as they are read.
        """
        return self.transport.export_codes(self._export(where))

    def embeddings(self, where: str | None = None) -> pa.RecordBatchReader:
        """The SAE embedding of each document: id, doc, features ascending, and their maxima."""
        return self.transport.export_embeddings(self._export(where))

    def export_codes(
        self,
        path: Path,
        *,
        where: str | None = None,
        on_progress: Callable[[int], object] | None = None,
    ) -> int:
        """Write `codes` to a Parquet file, which appears when it is whole; how many rows it has."""
        return write_codes(path, self.codes(where), on_progress)

    def export_embeddings(
        self,
        path: Path,
        *,
        where: str | None = None,
        on_progress: Callable[[int], object] | None = None,
    ) -> int:
        """Write the SAE embeddings to an .npz; how many documents it has.

        `scipy.sparse.load_npz` reads it as a CSR matrix (n_documents, d_sae) float32; the arrays
        `ids` and `doc` beside it name the rows.
        """
        d_sae = self.info().d_sae or 0
        return write_embeddings(path, self.embeddings(where), d_sae, on_progress)

    def _export(self, where: str | None) -> ExportQuery:
        return ExportQuery(collection=self.name, where=self._and(where))

    def _and(self, predicate: str | None) -> str | None:
        both = [p for p in (self.filter, predicate) if p is not None]
        return " AND ".join(f"({p})" for p in both) if len(both) > 1 else next(iter(both), None)

    def __repr__(self) -> str:
        narrowed = f" where {self.filter}" if self.filter else ""
        return f"<Collection {self.name}{narrowed}>"
