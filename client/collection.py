"""A collection, or a selection of it: what questions are asked of."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, NoReturn, get_args

import pyarrow as pa

from saelake.answers.associations import Associations
from saelake.answers.clusters import Clusters
from saelake.answers.contents import contents, contents_html
from saelake.answers.correlations import Correlations
from saelake.answers.differences import Diff
from saelake.answers.encoded import EncodedTokens
from saelake.answers.families import Families
from saelake.answers.features import (
    CONTEXT,
    CONTEXTS,
    Feature,
    FeatureContext,
    Features,
    FeatureView,
)
from saelake.answers.found import FoundDocuments
from saelake.answers.labels import Labels
from saelake.answers.lookups import CollectionInfo, Document, Info, Tokens
from saelake.answers.maps import MapPoints
from saelake.answers.matches import Matches
from saelake.answers.places import FeaturePlaces
from saelake.answers.shares import Shares
from saelake.answers.values import ValueCounts
from saelake.answers.windows import Windows, windows_of
from saelake.arguments import documents, ids, names, numbers, of_kind, poles, texts_of
from saelake.arguments import weights as weights_of
from saelake.dictionary import Dictionary
from saelake.exports import write_codes, write_embeddings
from saelake.exports.vectors import (
    FeatureKeys,
    VectorsOf,
    document_lines,
    numbered_texts,
    unit_lines,
    write_vectors,
)
from saelake.former import former
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.format.provenance import LabelMade, LabelScore, ScoreKind
from saelake.store.predicates.grammar import both
from saelake.store.predicates.placed import rest_of
from saelake.store.reports import LabelsReport
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.checks import Method, Pooling, Selection
from saelake.store.requests.cluster import Clustering, ClusterQuery
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.commands.labels import BY_HAND, NAMES
from saelake.store.requests.correlate import Adjacent, CorrelateQuery
from saelake.store.requests.diff import DiffOrder, DiffQuery, Unit
from saelake.store.requests.document import DocumentQuery
from saelake.store.requests.embeddings import EmbeddingsQuery
from saelake.store.requests.encode import EncodeQuery
from saelake.store.requests.families import FamiliesQuery
from saelake.store.requests.features import FeatureOrder, FeaturesQuery
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.labels import LabelsQuery
from saelake.store.requests.map import MapOf, MapQuery
from saelake.store.requests.match import MatchBy, MatchQuery
from saelake.store.requests.places import PlacesQuery
from saelake.store.requests.retrieve import RetrieveQuery
from saelake.store.requests.select import SelectQuery
from saelake.store.requests.shares import ShareOrder, SharesQuery
from saelake.store.requests.similar import Measure, SimilarQuery
from saelake.store.requests.texts import TextsQuery
from saelake.store.requests.tokens import Order, Per, TokensQuery
from saelake.store.requests.values import ValueOrder, ValuesQuery
from saelake.store.requests.windows import WindowsQuery
from saelake.transport import Transport

if TYPE_CHECKING:
    from saelake.activations import KeptActivations

Path = str | PathLike[str]
# 243, or of a signed dictionary also -243, its negative pole, and "+243", its positive one alone.
# The negative pole of feature 0 is "-0".
FeatureName = int | str
FeatureWeights = Mapping[int, float] | Mapping[str, float] | Mapping[int | str, float]


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

    def rest(self) -> "Collection":
        """The other documents of the collection: those that the selection's filter does not keep.

        Also those of which it says nothing, as they have no value: `NOT (...)` leaves these out.
        Raises `InvalidInput` where nothing was selected, and `InvalidFilter`.

        >>> good = reviews.where("rating >= 8")  # doctest: +SKIP
        >>> good.diff(good.rest())  # doctest: +SKIP
        """
        return replace(self, filter=rest_of(self.filter))

    def tokens(
        self,
        expression: int | str,
        k: int | None = TokensQuery.k,
        *,
        per: Per = TokensQuery.per,
        where: str | None = None,
        order: Order = TokensQuery.order,
        scope: str = TokensQuery.scope,
        context: int = TokensQuery.context,
    ) -> Tokens:
        """The tokens that fire a feature, or an expression of features, strongest first.

        Ties are in the order of documents, then positions. See `TokensQuery` for the arguments;
        `k=None` is all. Of a signed dictionary 243 is both poles of a feature, by magnitude, and
        -243 the negative one, as "243 < 0"; that of feature 0 is "-0". Raises
        `InvalidExpression`, `InvalidFilter` and `NotFound`.
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
        return Tokens(self.transport.ask(query).read_all(), expression=query.expression)

    def features(
        self,
        features: FeatureName | Sequence[FeatureName] | None = None,
        *,
        token: str | None = None,
        name: str | None = None,
        k: int | None = FeaturesQuery.k,
        order: FeatureOrder = FeaturesQuery.order,
    ) -> Features:
        """Statistics of features over the whole collection: those numbered, or the first `k`.

        Of a signed dictionary each pole has its own. `token` keeps the features that peak on this
        word, and `name` those that some explainer calls so. Raises `NotFound` for a feature that
        does not exist, and when the collection is not indexed yet.
        """
        hint = " token= finds the features that peak on a word."
        wanted = None if features is None else poles("features", features, hint)
        query = FeaturesQuery(
            collection=self.name,
            features=wanted,
            token=token,
            name=name,
            k=k,
            order=order,
        )
        return Features(self.transport.ask(query).read_all()).asking(self.show)

    def feature(self, feature: FeatureName) -> Feature:
        """Statistics of one feature, of two poles the positive one. Raises `NotFound`.

        Its `show` is the feature as a page; see `show`.
        """
        return self.features(feature)[0]

    def show(
        self,
        feature: FeatureName,
        k: int = CONTEXTS,
        *,
        where: str | None = None,
        context: int = CONTEXT,
        near: int = 0,
        together: int = 0,
    ) -> FeatureView:
        """A feature as a page, for notebooks: its label, its values, the tokens that it peaks on,
        and its `k` strongest documents, with `context` characters on each side of the token.

        That is `features`, `labels`, `tokens`, and `document` for each of the `k`, which are quick.
        With `near` also so many features whose decoder directions are near; with `together` so
        many pairs of `correlate`, an analysis. The statistics are of the whole collection, the
        documents of the selection. Raises `NotFound` and `InvalidFilter`.

        >>> reviews.show(243, together=12)  # doctest: +SKIP
        """
        rows = self.features(feature)
        labels = Dictionary(self.name, self.transport).labels(features=[feature], k=None)
        hits = self.tokens(feature, k, where=where, context=context)
        documents = {doc: self.document(doc=doc, features=[feature]) for doc in _docs(hits)}
        return FeatureView(
            name=str(feature),
            collection=self.name,
            poles=rows,
            labels=labels,
            contexts=tuple(FeatureContext(hit=h, document=documents[h.doc]) for h in hits),
            where=self._and(where),
            context=context,
            near=self.dictionary.neighbors(feature, near) if near else None,
            together=self.correlate(features=[feature], k=together) if together else None,
        )

    def document(
        self,
        id: str | None = None,  # noqa: A002  # what the column is called
        *,
        doc: int | None = None,
        features: Sequence[FeatureName] | None = None,
    ) -> Document:
        """One document with all its codes, or those of `features`. Raises `NotFound`."""
        query = DocumentQuery(
            collection=self.name,
            id=None if id is None else ids(id)[0],
            doc=None if doc is None else documents(doc)[0],
            features=None if features is None else poles("features", features),
        )
        return Document(self.transport.ask(query).read_all())

    def places(
        self,
        features: FeatureName | Sequence[FeatureName],
        k: int = PlacesQuery.k,
        *,
        where: str | None = None,
        order: Order = PlacesQuery.order,
    ) -> FeaturePlaces:
        """Where these features fire: the best tokens of up to `k` documents of each.

        One question for up to 1,024 features; see `PlacesQuery` for the arguments. Of a signed
        dictionary 243 is both poles, each of which has `k` places. Raises `InvalidFilter` and
        `NotFound`.

        >>> reviews.places([243, 12], k=3)  # doctest: +SKIP
        """
        query = PlacesQuery(
            collection=self.name,
            features=poles("features", features),
            k=k,
            where=self._and(where),
            order=order,
        )
        return FeaturePlaces(self.transport.ask(query).read_all())

    def windows(
        self,
        feature: FeatureName | Sequence[FeatureName],
        docs: int | Sequence[int],
        positions: int | Sequence[int],
        *,
        n_tokens: int = WindowsQuery.n_tokens,
    ) -> Windows:
        """The tokens around places, and the value of a feature at each of them.

        Place i is the token at `positions[i]` of document `docs[i]`, whatever is selected, and has
        the values of `feature`, or of `feature[i]` where these are several. See `WindowsQuery` for
        the arguments; of a signed dictionary 243 is the positive pole here, and -243 the negative
        one. Raises `NotFound` of a feature and a document.

        >>> reviews.windows(243, docs=[17, 4], positions=[5, 0])  # doctest: +SKIP
        """
        named = poles("feature", feature)
        if not named:
            raise InvalidInput("Name the feature whose values are wanted, or one for each place.")
        query = WindowsQuery(
            collection=self.name,
            feature=named[0],
            place_features=named if len(named) > 1 else (),
            docs=documents(docs),
            positions=numbers("positions", positions),
            n_tokens=n_tokens,
        )
        return windows_of(query, self.transport.ask(query).read_all())

    def encode(
        self,
        texts: str | Sequence[str],
        k: int | None = EncodeQuery.k,
        *,
        features: FeatureName | Sequence[FeatureName] | None = None,
    ) -> EncodedTokens:
        """The tokens of one text or several, each with its `k` strongest features, as they would be
        stored: by the model, hook point and dictionary of this collection. Nothing is stored.

        `k=None` is all that fire; `features` keeps only these. The model is loaded with the first
        text, and kept. Raises `InvalidInput` for more than 64 texts or 65,536 characters, and
        `ModelError`, `DictionaryError` or `DictionaryMismatch` where the model or the dictionary
        cannot be read, or is not the one any more.

        >>> reviews.encode("A rainy day.", k=3)  # doctest: +SKIP
        """
        query = EncodeQuery(
            collection=self.name,
            texts=texts_of(texts),
            k=k,
            features=None if features is None else poles("features", features),
        )
        return EncodedTokens(self.transport.ask(query).read_all(), texts=query.texts)

    def similar(
        self,
        text: str | None = None,
        *,
        id: str | Sequence[str] = (),  # noqa: A002  # what the column is called
        doc: int | Sequence[int] = (),
        features: FeatureWeights | None = None,
        k: int | None = SimilarQuery.k,
        where: str | None = None,
        pooling: Pooling = SimilarQuery.pooling,
        measure: Measure = SimilarQuery.measure,
        idf: bool = SimilarQuery.idf,
        within: Sequence[FeatureName] = (),
        about: str | None = None,
        weights: FeatureWeights | None = None,
        method: Method = SimilarQuery.method,
        exact: bool = SimilarQuery.exact,
        min_score: float | None = None,
    ) -> FoundDocuments:
        """The documents most like a text, one or more documents, or features with values.

        See `SimilarQuery` for the arguments. Each hit says which features make its score.

        >>> reviews.similar(id="pos_17", about="tone of voice")  # doctest: +SKIP
        """
        query = SimilarQuery(
            collection=self.name,
            where=self._and(where),
            text=text,
            ids=ids(id),
            docs=documents(doc),
            features=weights_of("features", features),
            k=k,
            pooling=pooling,
            measure=measure,
            idf=idf,
            within=poles("within", within),
            about=about,
            weights=weights_of("weights", weights),
            method=method,
            exact=exact,
            min_score=min_score,
        )
        return FoundDocuments(self.transport.ask(query).read_all())

    def retrieve(
        self,
        phrase: str,
        k: int | None = RetrieveQuery.k,
        *,
        where: str | None = None,
        method: Method = RetrieveQuery.method,
        n_features: int = RetrieveQuery.n_features,
        min_score: float | None = None,
        features: FeatureWeights | None = None,
    ) -> FoundDocuments:
        """The documents that have the property a phrase names, through the labels of features.

        With `features` these stand for the phrase, each with its weight, and labels are not asked.
        Raises `NotFound` when the labels have no embeddings, or (for `hybrid` and `dense`) the
        documents none: `lake.embed` makes the documents', and `lake.label` then the labels'.
        """
        query = RetrieveQuery(
            collection=self.name,
            phrase=phrase,
            where=self._and(where),
            k=k,
            method=method,
            n_features=n_features,
            min_score=min_score,
            features=weights_of("features", features),
        )
        found = self.transport.ask(query).read_all()
        return FoundDocuments(found, head="phrase", phrase=query.phrase)

    def select(
        self,
        target: "Collection",
        k: int | None = SelectQuery.k,
        *,
        pooling: Pooling = SelectQuery.pooling,
        idf: bool = SelectQuery.idf,
    ) -> FoundDocuments:
        """The documents of this selection nearest, in SAE space, to those of `target`."""
        of_kind("select", Collection, [target])
        query = SelectQuery(
            pool=self.selection, target=target.selection, k=k, pooling=pooling, idf=idf
        )
        return FoundDocuments(self.transport.ask(query).read_all(), head="notes")

    def diff(
        self,
        *others: "Collection",
        k: int | None = DiffQuery.k,
        unit: Unit = DiffQuery.unit,
        threshold: float = DiffQuery.threshold,
        min_coverage: float = DiffQuery.min_coverage,
        max_coverage: float = DiffQuery.max_coverage,
        order: DiffOrder = DiffQuery.order,
        align: str | None = None,
        examples: bool = DiffQuery.examples,
        cluster_by: str | None = None,
        control: Sequence[str] | str = (),
        level: float = DiffQuery.level,
        confirm: bool = DiffQuery.confirm,
        confirm_share: float = DiffQuery.confirm_share,
    ) -> Diff:
        """Features by how differently often they fire here and in one or more others.

        See `DiffQuery` for the arguments; `k=None` is all features. `control` is one name or
        several.

        >>> reviews.where("label = 'pos'").diff(reviews.where("label = 'neg'"))  # doctest: +SKIP
        """
        of_kind("diff", Collection, others)
        query = DiffQuery(
            a=self.selection,
            others=tuple(other.selection for other in others),
            unit=unit,
            threshold=threshold,
            min_coverage=min_coverage,
            max_coverage=max_coverage,
            order=order,
            k=k,
            align=align,
            examples=examples,
            cluster_by=cluster_by,
            control=names("control", control),
            level=level,
            confirm=confirm,
            confirm_share=confirm_share,
        )
        return Diff(self.transport.ask(query).read_all())

    def associate(
        self,
        *columns: str,
        k: int | None = AssociateQuery.k,
        where: str | None = None,
        pooling: Pooling = AssociateQuery.pooling,
        min_documents: int = AssociateQuery.min_documents,
        control: Sequence[str] | str = (),
        cluster_by: str | None = None,
        level: float = AssociateQuery.level,
        confirm: bool = AssociateQuery.confirm,
        confirm_share: float = AssociateQuery.confirm_share,
    ) -> Associations:
        """Which features go with a metadata column: classes (AUC), numbers (Spearman's rank
        correlation) or two columns of coordinates (Moran's I).

        `control` is one name or several. See `AssociateQuery` for the arguments.
        """
        query = AssociateQuery(
            collection=self.name,
            columns=columns,
            where=self._and(where),
            pooling=pooling,
            min_documents=min_documents,
            k=k,
            control=names("control", control),
            cluster_by=cluster_by,
            level=level,
            confirm=confirm,
            confirm_share=confirm_share,
        )
        return Associations(self.transport.ask(query).read_all())

    def shares(
        self,
        expression: int | str,
        *,
        by: str,
        where: str | None = None,
        k: int | None = SharesQuery.k,
        bins: int | None = SharesQuery.bins,
        order: ShareOrder = SharesQuery.order,
        level: float = SharesQuery.level,
    ) -> Shares:
        """In which share of the documents of each value of a column a feature fires.

        Or in which an expression of features holds, wherever in the document. `by` names the
        column, or a field as `column.field`. See `SharesQuery` for the arguments; `k=None` is all
        values. Each row's `where` is a filter that keeps its documents. Raises `InvalidExpression`,
        `InvalidFilter`, `InvalidInput` and `NotFound`.
        """
        query = SharesQuery(
            collection=self.name,
            expression=str(expression),
            by=by,
            where=self._and(where),
            k=k,
            bins=bins,
            order=order,
            level=level,
        )
        return Shares(self.transport.ask(query).read_all())

    def values(
        self,
        by: str,
        *,
        where: str | None = None,
        k: int | None = ValuesQuery.k,
        bins: int | None = ValuesQuery.bins,
        order: ValueOrder = ValuesQuery.order,
    ) -> ValueCounts:
        """Which values a metadata column has, and how many documents have each.

        Of the documents that are selected and have codes, as `shares` counts them. `by` names the
        column, or a field as `column.field`. See `ValuesQuery` for the arguments; `k=None` is all
        values. Each row's `where` is a filter that keeps its documents. Raises `InvalidFilter`,
        `InvalidInput` and `NotFound`.
        """
        query = ValuesQuery(
            collection=self.name, by=by, where=self._and(where), k=k, bins=bins, order=order
        )
        return ValueCounts(self.transport.ask(query).read_all())

    def correlate(
        self,
        other: "Collection | None" = None,
        *,
        align: str | None = None,
        features: Sequence[FeatureName] = (),
        min_npmi: float = CorrelateQuery.min_npmi,
        min_documents: int = CorrelateQuery.min_documents,
        max_coverage: float = CorrelateQuery.max_coverage,
        max_label_similarity: float | None = None,
        adjacent: Adjacent = CorrelateQuery.adjacent,
        k: int | None = CorrelateQuery.k,
        control: Sequence[str] | str = (),
    ) -> Correlations:
        """Pairs of features that fire in the same documents, by NPMI.

        With `other`, features here against features of documents aligned with these: see
        `CorrelateQuery`. `control` is one name or several.
        """
        of_kind("correlate", Collection, [] if other is None else [other])
        query = CorrelateQuery(
            a=self.selection,
            b=None if other is None else other.selection,
            align=align,
            features=poles("features", features),
            min_npmi=min_npmi,
            min_documents=min_documents,
            max_coverage=max_coverage,
            max_label_similarity=max_label_similarity,
            adjacent=adjacent,
            k=k,
            control=names("control", control),
        )
        return Correlations(self.transport.ask(query).read_all())

    def cluster(
        self,
        n_clusters: int = ClusterQuery.n_clusters,
        *,
        features: Sequence[FeatureName] = (),
        about: str | None = None,
        n_labels: int = ClusterQuery.n_labels,
        where: str | None = None,
        method: Clustering = ClusterQuery.method,
        seed: int = ClusterQuery.seed,
        min_score: float | None = None,
    ) -> Clusters:
        """Groups of documents alike in all features, in some, or in those about a phrase."""
        query = ClusterQuery(
            collection=self.name,
            where=self._and(where),
            n_clusters=n_clusters,
            features=poles("features", features),
            about=about,
            n_labels=n_labels,
            method=method,
            seed=seed,
            min_score=min_score,
        )
        selected = replace(self, filter=self._and(where))
        return Clusters(self.transport.ask(query).read_all()).asking(selected.map)

    def map(
        self,
        of: MapOf = MapQuery.of,
        *,
        where: str | None = None,
        inside: str | None = None,
        rows: Sequence[int] = (),
        column: str | None = None,
        features: Sequence[FeatureName] = (),
        k: int | None = MapQuery.k,
        seed: int = MapQuery.seed,
        texts: bool = MapQuery.texts,
    ) -> MapPoints:
        """The points of the map that `lake.project` made of the documents, or of the features.

        See `MapQuery` for the arguments. An area of the map is a filter of documents, of any
        question: `.where("within_map('0 0, 0.5 0, 0.5 0.5')")`. Raises `NotFound` where there is no
        map.
        """
        query = MapQuery(
            collection=self.name,
            of=of,
            where=self._and(where),
            inside=inside,
            rows=documents(rows),
            column=column,
            features=poles("features", features),
            k=k,
            seed=seed,
            texts=texts,
        )
        return MapPoints(self.transport.ask(query).read_all())

    def match(
        self,
        other: "Collection",
        *,
        features: Sequence[FeatureName] = (),
        by: MatchBy = MatchQuery.by,
        k: int = MatchQuery.k,
    ) -> Matches:
        """For each feature here the `k` of another dictionary that do most the same.

        By correlation of values over the same tokens, by the tokens at which both fire, or by
        decoder direction.
        """
        of_kind("match", Collection, [other])
        query = MatchQuery(
            a=self.name,
            b=other.name,
            features=poles("features", features),
            where=self.filter,
            by=by,
            k=k,
        )
        return Matches(self.transport.ask(query).read_all())

    def families(
        self,
        *,
        min_npmi: float = FamiliesQuery.min_npmi,
        min_documents: int = FamiliesQuery.min_documents,
        max_coverage: float = FamiliesQuery.max_coverage,
        k: int | None = FamiliesQuery.k,
        control: Sequence[str] | str = (),
    ) -> Families:
        """Groups of features that fire in the same documents; `control` is one name or several."""
        query = FamiliesQuery(
            collection=self.name,
            where=self.filter,
            min_npmi=min_npmi,
            min_documents=min_documents,
            max_coverage=max_coverage,
            k=k,
            control=names("control", control),
        )
        return Families(self.transport.ask(query).read_all())

    def labels(
        self,
        text: str | None = None,
        k: int | None = LabelsQuery.k,
        *,
        features: int | str | Sequence[int | str] = (),
        min_score: float | None = None,
        explainers: str | Sequence[str] = (),
        every_explainer: bool = False,
        score: ScoreKind | None = None,
        history: bool = False,
    ) -> Labels:
        """What features are called, by labels made from this corpus before those of others.

        See `Dictionary.labels`; no filter changes them.
        """
        named = Dictionary(self.name, self.transport)
        return named.labels(
            text,
            k,
            features=features,
            min_score=min_score,
            explainers=explainers,
            every_explainer=every_explainer,
            score=score,
            history=history,
        )

    def label(
        self,
        feature: FeatureName,
        label: str,
        *,
        explainer: str = BY_HAND,
        expect: str | None = None,
        scores: Sequence[LabelScore] = (),
        made: LabelMade | None = None,
    ) -> LabelsReport:
        """Call a feature of the dictionary something; see `Dictionary.label`."""
        return self.dictionary.label(
            feature, label, explainer=explainer, expect=expect, scores=scores, made=made
        )

    @property
    def dictionary(self) -> Dictionary:
        """The dictionary that the corpus was encoded with."""
        return Dictionary(self.name.partition("/")[2], self.transport)

    @property
    def selection(self) -> Selection:
        """What this is, as a question has it."""
        return Selection(collection=self.name, where=self.filter)

    def info(self) -> CollectionInfo:
        """What is stored of the collection. Raises `NotFound`."""
        for row in Info(self.transport.ask(InfoQuery()).read_all()):
            if row.name == self.name:
                return row
        raise NotFound(f"There is no collection {self.name}.", collection=self.name)

    def codes(self, where: str | None = None) -> pa.RecordBatchReader:
        """Every code of the selection: id, doc, position, token_id, feature, value.

        Ordered by document, position and feature; batches come as they are read.
        """
        return self.transport.ask(CodesQuery(collection=self.name, where=self._and(where)))

    def embeddings(
        self, where: str | None = None, *, pooling: Pooling = EmbeddingsQuery.pooling
    ) -> pa.RecordBatchReader:
        """The SAE embedding of each document: id, doc, features ascending, and pooled values.

        Of a signed dictionary there is also the column `poles`: the positive poles come first, and
        then the negative ones, which are pooled by themselves and have values below 0.
        """
        query = EmbeddingsQuery(collection=self.name, where=self._and(where), pooling=pooling)
        return self.transport.ask(query)

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
        pooling: Pooling = EmbeddingsQuery.pooling,
        on_progress: Callable[[int], object] | None = None,
    ) -> int:
        """Write the SAE embeddings to an .npz; how many documents it has.

        `scipy.sparse.load_npz` reads it as a CSR matrix (n_documents, d_sae) float32; the arrays
        `ids` and `doc` beside it name the rows. Of a signed dictionary each pole has a column
        (n_documents, 2 d_sae), with its strength: the arrays `feature` and `sign` (1 or -1) name
        the columns.
        """
        d_sae = self.info().d_sae or 0
        return write_embeddings(path, self.embeddings(where, pooling=pooling), d_sae, on_progress)

    def export_vectors(
        self,
        path: Path,
        *,
        by: VectorsOf = "document",
        where: str | None = None,
        pooling: Pooling = EmbeddingsQuery.pooling,
        texts: bool = False,
        on_progress: Callable[[int], object] | None = None,
    ) -> int:
        """Write vectors as JSON lines, `{"id": …, "vector": {feature: value}}`; how many lines.

        Of each document its codes, pooled; or `by` unit those of each token (span, document) at its
        place: `position`, `start`, `end`, which `import_codes` reads again. Features are called by
        the names that they came with, else by number. Values below 0 are those of negative poles;
        of two poles that both fire in a document the stronger is written. With `texts` lines of
        documents have these. Raises `InvalidInput` by unit through a server.
        """
        if by not in get_args(VectorsOf):
            raise InvalidInput(f"Vectors are by document or by unit, not by {by!r}.")
        if by == "unit" and texts:
            raise InvalidInput("Vectors of units have no texts: leave texts out, or by.")
        if by == "unit":
            return write_vectors(path, self._unit_lines(self._and(where)), on_progress)
        rows = self.embeddings(where, pooling=pooling)
        lines = document_lines(rows, self._keys(), self._texts(where) if texts else None)
        return write_vectors(path, lines, on_progress)

    def _unit_lines(self, where: str | None) -> Iterator[str]:
        lake = self.transport.local_lake
        if lake is None:
            raise InvalidInput(
                f"The units of {self.name} are not sent by a server: export vectors of documents, "
                "or do this where the lake is, with saelake.connect(PATH).",
                collection=self.name,
            )
        from saelake.store.query.parts.units import unit_codes  # Lance, which a client lacks
        from saelake.store.snapshot.session import Session

        found = Session(lake).collection(self.name)
        return unit_lines(unit_codes(found, where), found.settings.poles, self._keys())

    def _keys(self) -> FeatureKeys:
        """What features are called in vectors: by the names that they came with, if they did."""
        dictionary, lake = self.name.partition("/")[2], self.transport.local_lake
        if lake is not None:
            from saelake.store.lake.feature_names import feature_names

            return FeatureKeys(feature_names(lake, dictionary))
        query = LabelsQuery(dictionary=dictionary, explainers=(NAMES,), k=None)
        try:
            return FeatureKeys.of(Labels(self.transport.ask(query).read_all()))
        except NotFound:  # a lake from before dictionaries were registered
            return FeatureKeys({})

    def _texts(self, where: str | None) -> Iterator[tuple[int, str]]:
        query = TextsQuery(corpus=self.name.partition("/")[0], where=self._and(where))
        return numbered_texts(self.transport.ask(query))

    def activations(
        self, fraction: float | None = None, *, where: str | None = None
    ) -> "KeptActivations":
        """The dense activations that `encode` kept of these documents' tokens.

        `fraction` is of all tokens, at most what was kept (default: all that is kept); the smaller
        sample lies within the larger. Raises `NotFound` when none are kept, `InvalidFilter`, and
        `InvalidInput` through a server, which does not send them.
        """
        lake = self.transport.local_lake
        if lake is None:
            raise InvalidInput(
                f"The activations of {self.name} are not sent by a server: they are larger than "
                "their texts by far. Read them where the lake is, with saelake.connect(PATH).",
                collection=self.name,
            )
        from saelake.activations import kept_activations  # Lance, which a client of servers lacks

        return kept_activations(lake, self.name, fraction, self._and(where))

    def _and(self, predicate: str | None) -> str | None:
        return both(self.filter, predicate)

    correlations = former("correlations", correlate)
    clusters = former("clusters", cluster)

    def __repr__(self) -> str:
        """The selection, and what is in the collection; one that cannot be read says why."""
        return contents(self._named, lambda: [self.info()], self._counted)

    def _repr_html_(self) -> str:
        return contents_html(self._named, lambda: [self.info()], self._counted)

    @property
    def _named(self) -> str:
        narrowed = f" where {self.filter}" if self.filter else ""
        return f"<Collection {self.name}{narrowed}>"

    @property
    def _counted(self) -> str | None:
        """What is counted of a selection, where that is not plain."""
        return f"a part of {self.name}, of which all is counted here" if self.filter else None

    def __iter__(self) -> NoReturn:
        """Raise `InvalidInput`: there are several things that one might go through."""
        raise InvalidInput(
            f"{self.name} is no sequence. Ask it a question, as tokens(FEATURE) or features(), or "
            "read all of it with codes() or embeddings().",
            collection=self.name,
        )

    def __contains__(self, item: object) -> NoReturn:
        """Raise `InvalidInput`: documents, features and tokens are all in a collection."""
        raise InvalidInput(
            f"{item!r} may be in {self.name} in several ways. Ask document(ID) or feature(NUMBER), "
            "which raise NotFound for what is not there, or features(token=TEXT).",
            collection=self.name,
        )


def _docs(hits: Tokens) -> list[int]:
    """The documents of hits, each once, ascending."""
    return sorted({hit.doc for hit in hits})
