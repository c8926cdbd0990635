"""What can be asked of a lake: one frozen value a question, the same on every face."""

from typing import TypeAlias

from saelake.store.requests.analyses import (
    Adjacent,
    AssociateQuery,
    Clustering,
    ClustersQuery,
    CorrelationsQuery,
    DiffOrder,
    DiffQuery,
    FamiliesQuery,
    LabelsQuery,
    MatchBy,
    MatchQuery,
    Measure,
    Method,
    NeighborsQuery,
    RetrieveQuery,
    SelectQuery,
    SimilarQuery,
    Unit,
)
from saelake.store.requests.checks import Pooling, Selection, Weight
from saelake.store.requests.lookups import (
    CodesQuery,
    DocumentQuery,
    EmbeddingsQuery,
    FeatureOrder,
    FeaturesQuery,
    InfoQuery,
    Order,
    Per,
    TokensQuery,
    VerifyQuery,
)

Lookup: TypeAlias = (
    TokensQuery
    | FeaturesQuery
    | DocumentQuery
    | CodesQuery
    | EmbeddingsQuery
    | InfoQuery
    | VerifyQuery
)
Analysis: TypeAlias = (
    SimilarQuery
    | RetrieveQuery
    | SelectQuery
    | DiffQuery
    | AssociateQuery
    | CorrelationsQuery
    | ClustersQuery
    | MatchQuery
    | FamiliesQuery
    | LabelsQuery
    | NeighborsQuery
)
Request: TypeAlias = Lookup | Analysis
# What is answered without reading a whole selection.
Quick: TypeAlias = (
    TokensQuery
    | FeaturesQuery
    | DocumentQuery
    | InfoQuery
    | SimilarQuery
    | RetrieveQuery
    | LabelsQuery
    | NeighborsQuery
)

__all__ = [
    "Adjacent",
    "Analysis",
    "AssociateQuery",
    "Clustering",
    "ClustersQuery",
    "CodesQuery",
    "CorrelationsQuery",
    "DiffOrder",
    "DiffQuery",
    "DocumentQuery",
    "EmbeddingsQuery",
    "FamiliesQuery",
    "FeatureOrder",
    "FeaturesQuery",
    "InfoQuery",
    "LabelsQuery",
    "Lookup",
    "MatchBy",
    "MatchQuery",
    "Measure",
    "Method",
    "NeighborsQuery",
    "Order",
    "Per",
    "Pooling",
    "Quick",
    "Request",
    "RetrieveQuery",
    "SelectQuery",
    "Selection",
    "SimilarQuery",
    "TokensQuery",
    "Unit",
    "VerifyQuery",
    "Weight",
]
