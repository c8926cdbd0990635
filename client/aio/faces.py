"""Collections and dictionaries whose questions are awaited.

Made by `python -m tests.awaited --write` of those that wait.
"""

from collections.abc import Mapping, Sequence

from saelake.aio.bases import AwaitedCollection, AwaitedDictionary
from saelake.answers.agreements import Agreements
from saelake.answers.associations import Associations
from saelake.answers.clusters import Clusters
from saelake.answers.correlations import Correlations
from saelake.answers.differences import Diff
from saelake.answers.encoded import EncodedTokens
from saelake.answers.families import Families
from saelake.answers.features import CONTEXT, CONTEXTS, Feature, Features, FeatureView
from saelake.answers.found import FoundDocuments
from saelake.answers.labels import Labels, Neighbors
from saelake.answers.lookups import CollectionInfo, Document, Tokens
from saelake.answers.maps import MapPoints
from saelake.answers.matches import Matches
from saelake.answers.places import FeaturePlaces
from saelake.answers.shares import Shares
from saelake.answers.values import ValueCounts
from saelake.answers.windows import Windows
from saelake.collection import FeatureName, FeatureWeights
from saelake.store.format.provenance import LabelMade, LabelScore, ScoreKind
from saelake.store.reports import LabelsReport
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.checks import Method, Pooling
from saelake.store.requests.cluster import Clustering, ClusterQuery
from saelake.store.requests.commands.labels import BY_HAND, NewLabel
from saelake.store.requests.correlate import Adjacent, CorrelateQuery
from saelake.store.requests.diff import DiffOrder, DiffQuery, Unit
from saelake.store.requests.encode import EncodeQuery
from saelake.store.requests.families import FamiliesQuery
from saelake.store.requests.features import FeatureOrder, FeaturesQuery
from saelake.store.requests.labels import LabelsQuery
from saelake.store.requests.map import MapOf, MapQuery
from saelake.store.requests.match import MatchBy, MatchQuery
from saelake.store.requests.neighbors import NeighborsQuery
from saelake.store.requests.places import PlacesQuery
from saelake.store.requests.retrieve import RetrieveQuery
from saelake.store.requests.select import SelectQuery
from saelake.store.requests.shares import ShareOrder, SharesQuery
from saelake.store.requests.similar import Measure, SimilarQuery
from saelake.store.requests.tokens import Order, Per, TokensQuery
from saelake.store.requests.values import ValueOrder, ValuesQuery
from saelake.store.requests.windows import WindowsQuery


class AsyncCollection(AwaitedCollection):
    """A collection whose questions are awaited; see `saelake.Collection`."""

    async def tokens(
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
        """See `Collection.tokens`."""
        found: Tokens = await self._asked(
            "tokens", expression, k, per=per, where=where, order=order, scope=scope, context=context
        )
        return found

    async def features(
        self,
        features: FeatureName | Sequence[FeatureName] | None = None,
        *,
        token: str | None = None,
        name: str | None = None,
        k: int | None = FeaturesQuery.k,
        order: FeatureOrder = FeaturesQuery.order,
    ) -> Features:
        """See `Collection.features`."""
        found: Features = await self._asked(
            "features", features, token=token, name=name, k=k, order=order
        )
        return found

    async def feature(self, feature: FeatureName) -> Feature:
        """See `Collection.feature`."""
        found: Feature = await self._asked("feature", feature)
        return found

    async def show(
        self,
        feature: FeatureName,
        k: int = CONTEXTS,
        *,
        where: str | None = None,
        context: int = CONTEXT,
        near: int = 0,
        together: int = 0,
    ) -> FeatureView:
        """See `Collection.show`."""
        found: FeatureView = await self._asked(
            "show", feature, k, where=where, context=context, near=near, together=together
        )
        return found

    async def document(
        self,
        id: str | None = None,
        *,
        doc: int | None = None,
        features: Sequence[FeatureName] | None = None,
    ) -> Document:
        """See `Collection.document`."""
        found: Document = await self._asked("document", id, doc=doc, features=features)
        return found

    async def places(
        self,
        features: FeatureName | Sequence[FeatureName],
        k: int = PlacesQuery.k,
        *,
        where: str | None = None,
        order: Order = PlacesQuery.order,
    ) -> FeaturePlaces:
        """See `Collection.places`."""
        found: FeaturePlaces = await self._asked("places", features, k, where=where, order=order)
        return found

    async def windows(
        self,
        feature: FeatureName | Sequence[FeatureName],
        docs: int | Sequence[int],
        positions: int | Sequence[int],
        *,
        n_tokens: int = WindowsQuery.n_tokens,
    ) -> Windows:
        """See `Collection.windows`."""
        found: Windows = await self._asked("windows", feature, docs, positions, n_tokens=n_tokens)
        return found

    async def encode(
        self,
        texts: str | Sequence[str],
        k: int | None = EncodeQuery.k,
        *,
        features: FeatureName | Sequence[FeatureName] | None = None,
    ) -> EncodedTokens:
        """See `Collection.encode`."""
        found: EncodedTokens = await self._asked("encode", texts, k, features=features)
        return found

    async def similar(
        self,
        text: str | None = None,
        *,
        id: str | Sequence[str] = (),
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
        """See `Collection.similar`."""
        found: FoundDocuments = await self._asked(
            "similar",
            text,
            id=id,
            doc=doc,
            features=features,
            k=k,
            where=where,
            pooling=pooling,
            measure=measure,
            idf=idf,
            within=within,
            about=about,
            weights=weights,
            method=method,
            exact=exact,
            min_score=min_score,
        )
        return found

    async def retrieve(
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
        """See `Collection.retrieve`."""
        found: FoundDocuments = await self._asked(
            "retrieve",
            phrase,
            k,
            where=where,
            method=method,
            n_features=n_features,
            min_score=min_score,
            features=features,
        )
        return found

    async def select(
        self,
        target: "AsyncCollection",
        k: int | None = SelectQuery.k,
        *,
        pooling: Pooling = SelectQuery.pooling,
        idf: bool = SelectQuery.idf,
    ) -> FoundDocuments:
        """See `Collection.select`."""
        found: FoundDocuments = await self._asked("select", target, k, pooling=pooling, idf=idf)
        return found

    async def diff(
        self,
        *others: "AsyncCollection",
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
        """See `Collection.diff`."""
        found: Diff = await self._asked(
            "diff",
            *others,
            k=k,
            unit=unit,
            threshold=threshold,
            min_coverage=min_coverage,
            max_coverage=max_coverage,
            order=order,
            align=align,
            examples=examples,
            cluster_by=cluster_by,
            control=control,
            level=level,
            confirm=confirm,
            confirm_share=confirm_share,
        )
        return found

    async def associate(
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
        """See `Collection.associate`."""
        found: Associations = await self._asked(
            "associate",
            *columns,
            k=k,
            where=where,
            pooling=pooling,
            min_documents=min_documents,
            control=control,
            cluster_by=cluster_by,
            level=level,
            confirm=confirm,
            confirm_share=confirm_share,
        )
        return found

    async def shares(
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
        """See `Collection.shares`."""
        found: Shares = await self._asked(
            "shares", expression, by=by, where=where, k=k, bins=bins, order=order, level=level
        )
        return found

    async def values(
        self,
        by: str,
        *,
        where: str | None = None,
        k: int | None = ValuesQuery.k,
        bins: int | None = ValuesQuery.bins,
        order: ValueOrder = ValuesQuery.order,
    ) -> ValueCounts:
        """See `Collection.values`."""
        found: ValueCounts = await self._asked(
            "values", by, where=where, k=k, bins=bins, order=order
        )
        return found

    async def correlate(
        self,
        other: "AsyncCollection | None" = None,
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
        """See `Collection.correlate`."""
        found: Correlations = await self._asked(
            "correlate",
            other,
            align=align,
            features=features,
            min_npmi=min_npmi,
            min_documents=min_documents,
            max_coverage=max_coverage,
            max_label_similarity=max_label_similarity,
            adjacent=adjacent,
            k=k,
            control=control,
        )
        return found

    async def cluster(
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
        """See `Collection.cluster`."""
        found: Clusters = await self._asked(
            "cluster",
            n_clusters,
            features=features,
            about=about,
            n_labels=n_labels,
            where=where,
            method=method,
            seed=seed,
            min_score=min_score,
        )
        return found

    async def map(
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
        """See `Collection.map`."""
        found: MapPoints = await self._asked(
            "map",
            of,
            where=where,
            inside=inside,
            rows=rows,
            column=column,
            features=features,
            k=k,
            seed=seed,
            texts=texts,
        )
        return found

    async def match(
        self,
        other: "AsyncCollection",
        *,
        features: Sequence[FeatureName] = (),
        by: MatchBy = MatchQuery.by,
        k: int = MatchQuery.k,
    ) -> Matches:
        """See `Collection.match`."""
        found: Matches = await self._asked("match", other, features=features, by=by, k=k)
        return found

    async def families(
        self,
        *,
        min_npmi: float = FamiliesQuery.min_npmi,
        min_documents: int = FamiliesQuery.min_documents,
        max_coverage: float = FamiliesQuery.max_coverage,
        k: int | None = FamiliesQuery.k,
        control: Sequence[str] | str = (),
    ) -> Families:
        """See `Collection.families`."""
        found: Families = await self._asked(
            "families",
            min_npmi=min_npmi,
            min_documents=min_documents,
            max_coverage=max_coverage,
            k=k,
            control=control,
        )
        return found

    async def labels(
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
        """See `Collection.labels`."""
        found: Labels = await self._asked(
            "labels",
            text,
            k,
            features=features,
            min_score=min_score,
            explainers=explainers,
            every_explainer=every_explainer,
            score=score,
            history=history,
        )
        return found

    async def label(
        self,
        feature: FeatureName,
        label: str,
        *,
        explainer: str = BY_HAND,
        expect: str | None = None,
        scores: Sequence[LabelScore] = (),
        made: LabelMade | None = None,
    ) -> LabelsReport:
        """See `Collection.label`."""
        found: LabelsReport = await self._asked(
            "label", feature, label, explainer=explainer, expect=expect, scores=scores, made=made
        )
        return found

    async def info(self) -> CollectionInfo:
        """See `Collection.info`: what is stored of the collection. Raises `NotFound`."""
        found: CollectionInfo = await self._asked("info")
        return found

    @property
    def dictionary(self) -> "AsyncDictionary":
        """The dictionary that the corpus was encoded with."""
        return AsyncDictionary(self.name.partition("/")[2], self.transport)


class AsyncDictionary(AwaitedDictionary):
    """A dictionary whose questions are awaited; see `saelake.Dictionary`."""

    async def labels(
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
        """See `Dictionary.labels`."""
        found: Labels = await self._asked(
            "labels",
            text,
            k,
            features=features,
            min_score=min_score,
            explainers=explainers,
            every_explainer=every_explainer,
            score=score,
            history=history,
        )
        return found

    async def label(
        self,
        feature: int | str,
        label: str,
        *,
        explainer: str = BY_HAND,
        expect: str | None = None,
        scores: Sequence[LabelScore] = (),
        made: LabelMade | None = None,
    ) -> LabelsReport:
        """See `Dictionary.label`."""
        found: LabelsReport = await self._asked(
            "label", feature, label, explainer=explainer, expect=expect, scores=scores, made=made
        )
        return found

    async def set_labels(
        self,
        labels: Mapping[int, str]
        | Mapping[str, str]
        | Mapping[int | str, str]
        | Sequence[NewLabel],
        *,
        explainer: str = BY_HAND,
        expect: str | None = None,
    ) -> LabelsReport:
        """See `Dictionary.set_labels`."""
        found: LabelsReport = await self._asked(
            "set_labels", labels, explainer=explainer, expect=expect
        )
        return found

    async def delete_labels(
        self, features: int | str | Sequence[int | str] | None = None, *, explainer: str = BY_HAND
    ) -> LabelsReport:
        """See `Dictionary.delete_labels`."""
        found: LabelsReport = await self._asked("delete_labels", features, explainer=explainer)
        return found

    async def agreement(self, *, explainers: str | Sequence[str] = ()) -> Agreements:
        """See `Dictionary.agreement`."""
        found: Agreements = await self._asked("agreement", explainers=explainers)
        return found

    async def neighbors(self, feature: int | str, k: int = NeighborsQuery.k) -> Neighbors:
        """See `Dictionary.neighbors`."""
        found: Neighbors = await self._asked("neighbors", feature, k)
        return found

    async def match(
        self,
        other: "AsyncDictionary | str",
        *,
        features: Sequence[int | str] = (),
        k: int = MatchQuery.k,
    ) -> Matches:
        """See `Dictionary.match`."""
        found: Matches = await self._asked("match", other, features=features, k=k)
        return found
