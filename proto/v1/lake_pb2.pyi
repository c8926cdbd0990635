import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Per(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PER_UNSPECIFIED: _ClassVar[Per]
    PER_DOCUMENT: _ClassVar[Per]
    PER_TOKEN: _ClassVar[Per]

class Order(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_UNSPECIFIED: _ClassVar[Order]
    ORDER_TOP: _ClassVar[Order]
    ORDER_QUANTILES: _ClassVar[Order]

class FeatureOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEATURE_ORDER_UNSPECIFIED: _ClassVar[FeatureOrder]
    FEATURE_ORDER_DOCUMENTS: _ClassVar[FeatureOrder]
    FEATURE_ORDER_TOKENS: _ClassVar[FeatureOrder]
    FEATURE_ORDER_MAX: _ClassVar[FeatureOrder]
    FEATURE_ORDER_MEAN: _ClassVar[FeatureOrder]
    FEATURE_ORDER_FEATURE: _ClassVar[FeatureOrder]

class Pooling(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POOLING_UNSPECIFIED: _ClassVar[Pooling]
    POOLING_MAX: _ClassVar[Pooling]
    POOLING_MEAN: _ClassVar[Pooling]
    POOLING_SUM: _ClassVar[Pooling]
    POOLING_BINARY: _ClassVar[Pooling]

class Measure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEASURE_UNSPECIFIED: _ClassVar[Measure]
    MEASURE_COSINE: _ClassVar[Measure]
    MEASURE_DOT: _ClassVar[Measure]
    MEASURE_JACCARD: _ClassVar[Measure]

class Method(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METHOD_UNSPECIFIED: _ClassVar[Method]
    METHOD_SAE: _ClassVar[Method]
    METHOD_DENSE: _ClassVar[Method]
    METHOD_HYBRID: _ClassVar[Method]

class Unit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNIT_UNSPECIFIED: _ClassVar[Unit]
    UNIT_DOCUMENT: _ClassVar[Unit]
    UNIT_TOKEN: _ClassVar[Unit]

class DiffOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIFF_ORDER_UNSPECIFIED: _ClassVar[DiffOrder]
    DIFF_ORDER_DIFFERENCE: _ClassVar[DiffOrder]
    DIFF_ORDER_RELATIVE: _ClassVar[DiffOrder]
    DIFF_ORDER_LOG_ODDS: _ClassVar[DiffOrder]

class ShareOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SHARE_ORDER_UNSPECIFIED: _ClassVar[ShareOrder]
    SHARE_ORDER_DOCUMENTS: _ClassVar[ShareOrder]
    SHARE_ORDER_SHARE: _ClassVar[ShareOrder]
    SHARE_ORDER_VALUE: _ClassVar[ShareOrder]

class ValueOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VALUE_ORDER_UNSPECIFIED: _ClassVar[ValueOrder]
    VALUE_ORDER_DOCUMENTS: _ClassVar[ValueOrder]
    VALUE_ORDER_VALUE: _ClassVar[ValueOrder]

class Adjacent(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ADJACENT_UNSPECIFIED: _ClassVar[Adjacent]
    ADJACENT_KEEP: _ClassVar[Adjacent]
    ADJACENT_DROP: _ClassVar[Adjacent]

class Clustering(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLUSTERING_UNSPECIFIED: _ClassVar[Clustering]
    CLUSTERING_SPECTRAL: _ClassVar[Clustering]
    CLUSTERING_JACCARD: _ClassVar[Clustering]

class MapOf(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MAP_OF_UNSPECIFIED: _ClassVar[MapOf]
    MAP_OF_DOCUMENTS: _ClassVar[MapOf]
    MAP_OF_FEATURES: _ClassVar[MapOf]

class MatchBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MATCH_BY_UNSPECIFIED: _ClassVar[MatchBy]
    MATCH_BY_ACTIVATION: _ClassVar[MatchBy]
    MATCH_BY_JACCARD: _ClassVar[MatchBy]
    MATCH_BY_DECODER: _ClassVar[MatchBy]

class ScoreKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCORE_KIND_UNSPECIFIED: _ClassVar[ScoreKind]
    SCORE_KIND_DETECTION: _ClassVar[ScoreKind]
    SCORE_KIND_FUZZING: _ClassVar[ScoreKind]
    SCORE_KIND_EMBEDDING: _ClassVar[ScoreKind]
    SCORE_KIND_SURPRISAL: _ClassVar[ScoreKind]
    SCORE_KIND_OTHER: _ClassVar[ScoreKind]
    SCORE_KIND_WORDS: _ClassVar[ScoreKind]
    SCORE_KIND_INTRUDER: _ClassVar[ScoreKind]
    SCORE_KIND_SIMULATION: _ClassVar[ScoreKind]

class OnDuplicate(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_DUPLICATE_UNSPECIFIED: _ClassVar[OnDuplicate]
    ON_DUPLICATE_SKIP: _ClassVar[OnDuplicate]
    ON_DUPLICATE_UPDATE: _ClassVar[OnDuplicate]
    ON_DUPLICATE_FAIL: _ClassVar[OnDuplicate]

class OnError(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_ERROR_UNSPECIFIED: _ClassVar[OnError]
    ON_ERROR_SKIP: _ClassVar[OnError]
    ON_ERROR_FAIL: _ClassVar[OnError]
PER_UNSPECIFIED: Per
PER_DOCUMENT: Per
PER_TOKEN: Per
ORDER_UNSPECIFIED: Order
ORDER_TOP: Order
ORDER_QUANTILES: Order
FEATURE_ORDER_UNSPECIFIED: FeatureOrder
FEATURE_ORDER_DOCUMENTS: FeatureOrder
FEATURE_ORDER_TOKENS: FeatureOrder
FEATURE_ORDER_MAX: FeatureOrder
FEATURE_ORDER_MEAN: FeatureOrder
FEATURE_ORDER_FEATURE: FeatureOrder
POOLING_UNSPECIFIED: Pooling
POOLING_MAX: Pooling
POOLING_MEAN: Pooling
POOLING_SUM: Pooling
POOLING_BINARY: Pooling
MEASURE_UNSPECIFIED: Measure
MEASURE_COSINE: Measure
MEASURE_DOT: Measure
MEASURE_JACCARD: Measure
METHOD_UNSPECIFIED: Method
METHOD_SAE: Method
METHOD_DENSE: Method
METHOD_HYBRID: Method
UNIT_UNSPECIFIED: Unit
UNIT_DOCUMENT: Unit
UNIT_TOKEN: Unit
DIFF_ORDER_UNSPECIFIED: DiffOrder
DIFF_ORDER_DIFFERENCE: DiffOrder
DIFF_ORDER_RELATIVE: DiffOrder
DIFF_ORDER_LOG_ODDS: DiffOrder
SHARE_ORDER_UNSPECIFIED: ShareOrder
SHARE_ORDER_DOCUMENTS: ShareOrder
SHARE_ORDER_SHARE: ShareOrder
SHARE_ORDER_VALUE: ShareOrder
VALUE_ORDER_UNSPECIFIED: ValueOrder
VALUE_ORDER_DOCUMENTS: ValueOrder
VALUE_ORDER_VALUE: ValueOrder
ADJACENT_UNSPECIFIED: Adjacent
ADJACENT_KEEP: Adjacent
ADJACENT_DROP: Adjacent
CLUSTERING_UNSPECIFIED: Clustering
CLUSTERING_SPECTRAL: Clustering
CLUSTERING_JACCARD: Clustering
MAP_OF_UNSPECIFIED: MapOf
MAP_OF_DOCUMENTS: MapOf
MAP_OF_FEATURES: MapOf
MATCH_BY_UNSPECIFIED: MatchBy
MATCH_BY_ACTIVATION: MatchBy
MATCH_BY_JACCARD: MatchBy
MATCH_BY_DECODER: MatchBy
SCORE_KIND_UNSPECIFIED: ScoreKind
SCORE_KIND_DETECTION: ScoreKind
SCORE_KIND_FUZZING: ScoreKind
SCORE_KIND_EMBEDDING: ScoreKind
SCORE_KIND_SURPRISAL: ScoreKind
SCORE_KIND_OTHER: ScoreKind
SCORE_KIND_WORDS: ScoreKind
SCORE_KIND_INTRUDER: ScoreKind
SCORE_KIND_SIMULATION: ScoreKind
ON_DUPLICATE_UNSPECIFIED: OnDuplicate
ON_DUPLICATE_SKIP: OnDuplicate
ON_DUPLICATE_UPDATE: OnDuplicate
ON_DUPLICATE_FAIL: OnDuplicate
ON_ERROR_UNSPECIFIED: OnError
ON_ERROR_SKIP: OnError
ON_ERROR_FAIL: OnError

class VersionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VersionReply(_message.Message):
    __slots__ = ("version", "wire", "features", "state")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WIRE_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    version: str
    wire: int
    features: _containers.RepeatedScalarFieldContainer[str]
    state: str
    def __init__(self, version: _Optional[str] = ..., wire: _Optional[int] = ..., features: _Optional[_Iterable[str]] = ..., state: _Optional[str] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("arrow", "progress")
    ARROW_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    arrow: bytes
    progress: Progress
    def __init__(self, arrow: _Optional[bytes] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("step", "stage", "done", "total")
    STEP_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    step: int
    stage: str
    done: int
    total: int
    def __init__(self, step: _Optional[int] = ..., stage: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class FeatureList(_message.Message):
    __slots__ = ("numbers",)
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, numbers: _Optional[_Iterable[int]] = ...) -> None: ...

class InfoRequest(_message.Message):
    __slots__ = ("corpora",)
    CORPORA_FIELD_NUMBER: _ClassVar[int]
    corpora: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, corpora: _Optional[_Iterable[str]] = ...) -> None: ...

class TokensRequest(_message.Message):
    __slots__ = ("collection", "expression", "k", "all", "per", "where", "order", "scope", "context")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    PER_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    expression: str
    k: int
    all: bool
    per: Per
    where: str
    order: Order
    scope: str
    context: int
    def __init__(self, collection: _Optional[str] = ..., expression: _Optional[str] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., per: _Optional[_Union[Per, str]] = ..., where: _Optional[str] = ..., order: _Optional[_Union[Order, str]] = ..., scope: _Optional[str] = ..., context: _Optional[int] = ...) -> None: ...

class FeaturesRequest(_message.Message):
    __slots__ = ("collection", "features", "token", "name", "k", "all", "order")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    collection: str
    features: FeatureList
    token: str
    name: str
    k: int
    all: bool
    order: FeatureOrder
    def __init__(self, collection: _Optional[str] = ..., features: _Optional[_Union[FeatureList, _Mapping]] = ..., token: _Optional[str] = ..., name: _Optional[str] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., order: _Optional[_Union[FeatureOrder, str]] = ...) -> None: ...

class DocumentRequest(_message.Message):
    __slots__ = ("collection", "id", "doc", "features")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    DOC_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    collection: str
    id: str
    doc: int
    features: FeatureList
    def __init__(self, collection: _Optional[str] = ..., id: _Optional[str] = ..., doc: _Optional[int] = ..., features: _Optional[_Union[FeatureList, _Mapping]] = ...) -> None: ...

class WindowsRequest(_message.Message):
    __slots__ = ("collection", "feature", "docs", "positions", "n_tokens", "place_features")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    DOCS_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    N_TOKENS_FIELD_NUMBER: _ClassVar[int]
    PLACE_FEATURES_FIELD_NUMBER: _ClassVar[int]
    collection: str
    feature: int
    docs: _containers.RepeatedScalarFieldContainer[int]
    positions: _containers.RepeatedScalarFieldContainer[int]
    n_tokens: int
    place_features: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, collection: _Optional[str] = ..., feature: _Optional[int] = ..., docs: _Optional[_Iterable[int]] = ..., positions: _Optional[_Iterable[int]] = ..., n_tokens: _Optional[int] = ..., place_features: _Optional[_Iterable[int]] = ...) -> None: ...

class PlacesRequest(_message.Message):
    __slots__ = ("collection", "features", "k", "where", "order")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    collection: str
    features: _containers.RepeatedScalarFieldContainer[int]
    k: int
    where: str
    order: Order
    def __init__(self, collection: _Optional[str] = ..., features: _Optional[_Iterable[int]] = ..., k: _Optional[int] = ..., where: _Optional[str] = ..., order: _Optional[_Union[Order, str]] = ...) -> None: ...

class CodesRequest(_message.Message):
    __slots__ = ("collection", "where")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    where: str
    def __init__(self, collection: _Optional[str] = ..., where: _Optional[str] = ...) -> None: ...

class TextsRequest(_message.Message):
    __slots__ = ("corpus", "where", "sample", "seed")
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    where: str
    sample: int
    seed: int
    def __init__(self, corpus: _Optional[str] = ..., where: _Optional[str] = ..., sample: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

class EmbeddingsRequest(_message.Message):
    __slots__ = ("collection", "where", "pooling")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    POOLING_FIELD_NUMBER: _ClassVar[int]
    collection: str
    where: str
    pooling: Pooling
    def __init__(self, collection: _Optional[str] = ..., where: _Optional[str] = ..., pooling: _Optional[_Union[Pooling, str]] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class Selection(_message.Message):
    __slots__ = ("collection", "where")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    where: str
    def __init__(self, collection: _Optional[str] = ..., where: _Optional[str] = ...) -> None: ...

class Weight(_message.Message):
    __slots__ = ("feature", "weight")
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    feature: int
    weight: float
    def __init__(self, feature: _Optional[int] = ..., weight: _Optional[float] = ...) -> None: ...

class SimilarRequest(_message.Message):
    __slots__ = ("collection", "where", "text", "ids", "docs", "features", "k", "all", "pooling", "measure", "idf", "within", "about", "weights", "method", "exact", "min_score")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    DOCS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    POOLING_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    IDF_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    MIN_SCORE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    where: str
    text: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    docs: _containers.RepeatedScalarFieldContainer[int]
    features: _containers.RepeatedCompositeFieldContainer[Weight]
    k: int
    all: bool
    pooling: Pooling
    measure: Measure
    idf: bool
    within: _containers.RepeatedScalarFieldContainer[int]
    about: str
    weights: _containers.RepeatedCompositeFieldContainer[Weight]
    method: Method
    exact: bool
    min_score: float
    def __init__(self, collection: _Optional[str] = ..., where: _Optional[str] = ..., text: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ..., docs: _Optional[_Iterable[int]] = ..., features: _Optional[_Iterable[_Union[Weight, _Mapping]]] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., pooling: _Optional[_Union[Pooling, str]] = ..., measure: _Optional[_Union[Measure, str]] = ..., idf: _Optional[bool] = ..., within: _Optional[_Iterable[int]] = ..., about: _Optional[str] = ..., weights: _Optional[_Iterable[_Union[Weight, _Mapping]]] = ..., method: _Optional[_Union[Method, str]] = ..., exact: _Optional[bool] = ..., min_score: _Optional[float] = ...) -> None: ...

class RetrieveRequest(_message.Message):
    __slots__ = ("collection", "phrase", "where", "k", "all", "method", "n_features", "temperature", "min_score", "features")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    PHRASE_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    N_FEATURES_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    MIN_SCORE_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    collection: str
    phrase: str
    where: str
    k: int
    all: bool
    method: Method
    n_features: int
    temperature: float
    min_score: float
    features: _containers.RepeatedCompositeFieldContainer[Weight]
    def __init__(self, collection: _Optional[str] = ..., phrase: _Optional[str] = ..., where: _Optional[str] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., method: _Optional[_Union[Method, str]] = ..., n_features: _Optional[int] = ..., temperature: _Optional[float] = ..., min_score: _Optional[float] = ..., features: _Optional[_Iterable[_Union[Weight, _Mapping]]] = ...) -> None: ...

class SelectRequest(_message.Message):
    __slots__ = ("pool", "target", "k", "all", "pooling", "idf")
    POOL_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    POOLING_FIELD_NUMBER: _ClassVar[int]
    IDF_FIELD_NUMBER: _ClassVar[int]
    pool: Selection
    target: Selection
    k: int
    all: bool
    pooling: Pooling
    idf: bool
    def __init__(self, pool: _Optional[_Union[Selection, _Mapping]] = ..., target: _Optional[_Union[Selection, _Mapping]] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., pooling: _Optional[_Union[Pooling, str]] = ..., idf: _Optional[bool] = ...) -> None: ...

class DiffRequest(_message.Message):
    __slots__ = ("a", "others", "unit", "threshold", "min_coverage", "max_coverage", "order", "k", "all", "align", "examples", "cluster_by", "control", "level", "confirm", "confirm_share")
    A_FIELD_NUMBER: _ClassVar[int]
    OTHERS_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MIN_COVERAGE_FIELD_NUMBER: _ClassVar[int]
    MAX_COVERAGE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    ALIGN_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_BY_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_SHARE_FIELD_NUMBER: _ClassVar[int]
    a: Selection
    others: _containers.RepeatedCompositeFieldContainer[Selection]
    unit: Unit
    threshold: float
    min_coverage: float
    max_coverage: float
    order: DiffOrder
    k: int
    all: bool
    align: str
    examples: bool
    cluster_by: str
    control: _containers.RepeatedScalarFieldContainer[str]
    level: float
    confirm: bool
    confirm_share: float
    def __init__(self, a: _Optional[_Union[Selection, _Mapping]] = ..., others: _Optional[_Iterable[_Union[Selection, _Mapping]]] = ..., unit: _Optional[_Union[Unit, str]] = ..., threshold: _Optional[float] = ..., min_coverage: _Optional[float] = ..., max_coverage: _Optional[float] = ..., order: _Optional[_Union[DiffOrder, str]] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., align: _Optional[str] = ..., examples: _Optional[bool] = ..., cluster_by: _Optional[str] = ..., control: _Optional[_Iterable[str]] = ..., level: _Optional[float] = ..., confirm: _Optional[bool] = ..., confirm_share: _Optional[float] = ...) -> None: ...

class AssociateRequest(_message.Message):
    __slots__ = ("collection", "columns", "where", "pooling", "min_documents", "k", "all", "control", "cluster_by", "level", "confirm", "confirm_share")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    POOLING_FIELD_NUMBER: _ClassVar[int]
    MIN_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_BY_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_SHARE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    where: str
    pooling: Pooling
    min_documents: int
    k: int
    all: bool
    control: _containers.RepeatedScalarFieldContainer[str]
    cluster_by: str
    level: float
    confirm: bool
    confirm_share: float
    def __init__(self, collection: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., where: _Optional[str] = ..., pooling: _Optional[_Union[Pooling, str]] = ..., min_documents: _Optional[int] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., control: _Optional[_Iterable[str]] = ..., cluster_by: _Optional[str] = ..., level: _Optional[float] = ..., confirm: _Optional[bool] = ..., confirm_share: _Optional[float] = ...) -> None: ...

class SharesRequest(_message.Message):
    __slots__ = ("collection", "expression", "by", "where", "k", "all", "bins", "order", "level")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    BINS_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    collection: str
    expression: str
    by: str
    where: str
    k: int
    all: bool
    bins: int
    order: ShareOrder
    level: float
    def __init__(self, collection: _Optional[str] = ..., expression: _Optional[str] = ..., by: _Optional[str] = ..., where: _Optional[str] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., bins: _Optional[int] = ..., order: _Optional[_Union[ShareOrder, str]] = ..., level: _Optional[float] = ...) -> None: ...

class ValuesRequest(_message.Message):
    __slots__ = ("collection", "by", "where", "k", "all", "bins", "order")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    BINS_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    collection: str
    by: str
    where: str
    k: int
    all: bool
    bins: int
    order: ValueOrder
    def __init__(self, collection: _Optional[str] = ..., by: _Optional[str] = ..., where: _Optional[str] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., bins: _Optional[int] = ..., order: _Optional[_Union[ValueOrder, str]] = ...) -> None: ...

class CorrelateRequest(_message.Message):
    __slots__ = ("a", "b", "align", "features", "min_npmi", "min_documents", "max_coverage", "max_label_similarity", "adjacent", "k", "all", "control")
    A_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    ALIGN_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    MIN_NPMI_FIELD_NUMBER: _ClassVar[int]
    MIN_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    MAX_COVERAGE_FIELD_NUMBER: _ClassVar[int]
    MAX_LABEL_SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    ADJACENT_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    a: Selection
    b: Selection
    align: str
    features: _containers.RepeatedScalarFieldContainer[int]
    min_npmi: float
    min_documents: int
    max_coverage: float
    max_label_similarity: float
    adjacent: Adjacent
    k: int
    all: bool
    control: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, a: _Optional[_Union[Selection, _Mapping]] = ..., b: _Optional[_Union[Selection, _Mapping]] = ..., align: _Optional[str] = ..., features: _Optional[_Iterable[int]] = ..., min_npmi: _Optional[float] = ..., min_documents: _Optional[int] = ..., max_coverage: _Optional[float] = ..., max_label_similarity: _Optional[float] = ..., adjacent: _Optional[_Union[Adjacent, str]] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., control: _Optional[_Iterable[str]] = ...) -> None: ...

class ClusterRequest(_message.Message):
    __slots__ = ("collection", "where", "n_clusters", "features", "about", "n_labels", "method", "seed", "min_score")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    N_CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    N_LABELS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    MIN_SCORE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    where: str
    n_clusters: int
    features: _containers.RepeatedScalarFieldContainer[int]
    about: str
    n_labels: int
    method: Clustering
    seed: int
    min_score: float
    def __init__(self, collection: _Optional[str] = ..., where: _Optional[str] = ..., n_clusters: _Optional[int] = ..., features: _Optional[_Iterable[int]] = ..., about: _Optional[str] = ..., n_labels: _Optional[int] = ..., method: _Optional[_Union[Clustering, str]] = ..., seed: _Optional[int] = ..., min_score: _Optional[float] = ...) -> None: ...

class MapRequest(_message.Message):
    __slots__ = ("collection", "of", "where", "inside", "rows", "column", "features", "k", "all", "seed", "texts")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    OF_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    INSIDE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    of: MapOf
    where: str
    inside: str
    rows: _containers.RepeatedScalarFieldContainer[int]
    column: str
    features: _containers.RepeatedScalarFieldContainer[int]
    k: int
    all: bool
    seed: int
    texts: bool
    def __init__(self, collection: _Optional[str] = ..., of: _Optional[_Union[MapOf, str]] = ..., where: _Optional[str] = ..., inside: _Optional[str] = ..., rows: _Optional[_Iterable[int]] = ..., column: _Optional[str] = ..., features: _Optional[_Iterable[int]] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., seed: _Optional[int] = ..., texts: _Optional[bool] = ...) -> None: ...

class MatchRequest(_message.Message):
    __slots__ = ("a", "b", "features", "where", "by", "k")
    A_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    a: str
    b: str
    features: _containers.RepeatedScalarFieldContainer[int]
    where: str
    by: MatchBy
    k: int
    def __init__(self, a: _Optional[str] = ..., b: _Optional[str] = ..., features: _Optional[_Iterable[int]] = ..., where: _Optional[str] = ..., by: _Optional[_Union[MatchBy, str]] = ..., k: _Optional[int] = ...) -> None: ...

class FamiliesRequest(_message.Message):
    __slots__ = ("collection", "where", "min_npmi", "min_documents", "max_coverage", "k", "all", "control")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    MIN_NPMI_FIELD_NUMBER: _ClassVar[int]
    MIN_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    MAX_COVERAGE_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    collection: str
    where: str
    min_npmi: float
    min_documents: int
    max_coverage: float
    k: int
    all: bool
    control: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, collection: _Optional[str] = ..., where: _Optional[str] = ..., min_npmi: _Optional[float] = ..., min_documents: _Optional[int] = ..., max_coverage: _Optional[float] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., control: _Optional[_Iterable[str]] = ...) -> None: ...

class LabelsRequest(_message.Message):
    __slots__ = ("dictionary", "text", "features", "k", "all", "min_score", "explainers", "every_explainer", "score", "history")
    DICTIONARY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    MIN_SCORE_FIELD_NUMBER: _ClassVar[int]
    EXPLAINERS_FIELD_NUMBER: _ClassVar[int]
    EVERY_EXPLAINER_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    dictionary: str
    text: str
    features: _containers.RepeatedScalarFieldContainer[int]
    k: int
    all: bool
    min_score: float
    explainers: _containers.RepeatedScalarFieldContainer[str]
    every_explainer: bool
    score: ScoreKind
    history: bool
    def __init__(self, dictionary: _Optional[str] = ..., text: _Optional[str] = ..., features: _Optional[_Iterable[int]] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., min_score: _Optional[float] = ..., explainers: _Optional[_Iterable[str]] = ..., every_explainer: _Optional[bool] = ..., score: _Optional[_Union[ScoreKind, str]] = ..., history: _Optional[bool] = ...) -> None: ...

class AgreementRequest(_message.Message):
    __slots__ = ("dictionary", "explainers")
    DICTIONARY_FIELD_NUMBER: _ClassVar[int]
    EXPLAINERS_FIELD_NUMBER: _ClassVar[int]
    dictionary: str
    explainers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dictionary: _Optional[str] = ..., explainers: _Optional[_Iterable[str]] = ...) -> None: ...

class NeighborsRequest(_message.Message):
    __slots__ = ("dictionary", "feature", "k")
    DICTIONARY_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    dictionary: str
    feature: int
    k: int
    def __init__(self, dictionary: _Optional[str] = ..., feature: _Optional[int] = ..., k: _Optional[int] = ...) -> None: ...

class EncodeRequest(_message.Message):
    __slots__ = ("collection", "texts", "k", "all", "features")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    collection: str
    texts: _containers.RepeatedScalarFieldContainer[str]
    k: int
    all: bool
    features: FeatureList
    def __init__(self, collection: _Optional[str] = ..., texts: _Optional[_Iterable[str]] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., features: _Optional[_Union[FeatureList, _Mapping]] = ...) -> None: ...

class JobsRequest(_message.Message):
    __slots__ = ("id", "corpora")
    ID_FIELD_NUMBER: _ClassVar[int]
    CORPORA_FIELD_NUMBER: _ClassVar[int]
    id: str
    corpora: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., corpora: _Optional[_Iterable[str]] = ...) -> None: ...

class TagsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class NewLabel(_message.Message):
    __slots__ = ("feature", "label", "scores", "made")
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    MADE_FIELD_NUMBER: _ClassVar[int]
    feature: int
    label: str
    scores: _containers.RepeatedCompositeFieldContainer[LabelScore]
    made: LabelMade
    def __init__(self, feature: _Optional[int] = ..., label: _Optional[str] = ..., scores: _Optional[_Iterable[_Union[LabelScore, _Mapping]]] = ..., made: _Optional[_Union[LabelMade, _Mapping]] = ...) -> None: ...

class LabelScore(_message.Message):
    __slots__ = ("kind", "value", "low", "high", "n", "by", "on")
    KIND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    ON_FIELD_NUMBER: _ClassVar[int]
    kind: ScoreKind
    value: float
    low: float
    high: float
    n: int
    by: str
    on: str
    def __init__(self, kind: _Optional[_Union[ScoreKind, str]] = ..., value: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., n: _Optional[int] = ..., by: _Optional[str] = ..., on: _Optional[str] = ...) -> None: ...

class LabelMade(_message.Message):
    __slots__ = ("model", "prompt", "n_examples", "examples", "prompt_tokens", "completion_tokens", "cost", "time")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    N_EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    model: str
    prompt: str
    n_examples: int
    examples: _containers.RepeatedScalarFieldContainer[str]
    prompt_tokens: int
    completion_tokens: int
    cost: float
    time: _timestamp_pb2.Timestamp
    def __init__(self, model: _Optional[str] = ..., prompt: _Optional[str] = ..., n_examples: _Optional[int] = ..., examples: _Optional[_Iterable[str]] = ..., prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., cost: _Optional[float] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SetLabelsRequest(_message.Message):
    __slots__ = ("dictionary", "labels", "explainer", "expect")
    DICTIONARY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    EXPLAINER_FIELD_NUMBER: _ClassVar[int]
    EXPECT_FIELD_NUMBER: _ClassVar[int]
    dictionary: str
    labels: _containers.RepeatedCompositeFieldContainer[NewLabel]
    explainer: str
    expect: str
    def __init__(self, dictionary: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[NewLabel, _Mapping]]] = ..., explainer: _Optional[str] = ..., expect: _Optional[str] = ...) -> None: ...

class DeleteLabelsRequest(_message.Message):
    __slots__ = ("dictionary", "explainer", "features")
    DICTIONARY_FIELD_NUMBER: _ClassVar[int]
    EXPLAINER_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    dictionary: str
    explainer: str
    features: FeatureList
    def __init__(self, dictionary: _Optional[str] = ..., explainer: _Optional[str] = ..., features: _Optional[_Union[FeatureList, _Mapping]] = ...) -> None: ...

class ImportLabelsRequest(_message.Message):
    __slots__ = ("dictionary", "keep_others")
    DICTIONARY_FIELD_NUMBER: _ClassVar[int]
    KEEP_OTHERS_FIELD_NUMBER: _ClassVar[int]
    dictionary: str
    keep_others: bool
    def __init__(self, dictionary: _Optional[str] = ..., keep_others: _Optional[bool] = ...) -> None: ...

class ImportLabelsPiece(_message.Message):
    __slots__ = ("begin", "arrow")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    ARROW_FIELD_NUMBER: _ClassVar[int]
    begin: ImportLabelsRequest
    arrow: bytes
    def __init__(self, begin: _Optional[_Union[ImportLabelsRequest, _Mapping]] = ..., arrow: _Optional[bytes] = ...) -> None: ...

class LabelsReport(_message.Message):
    __slots__ = ("dictionary", "n_labels")
    DICTIONARY_FIELD_NUMBER: _ClassVar[int]
    N_LABELS_FIELD_NUMBER: _ClassVar[int]
    dictionary: str
    n_labels: int
    def __init__(self, dictionary: _Optional[str] = ..., n_labels: _Optional[int] = ...) -> None: ...

class ImportRequest(_message.Message):
    __slots__ = ("corpus", "source", "on_duplicate", "generated_ids", "key")
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ON_DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    GENERATED_IDS_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    source: str
    on_duplicate: OnDuplicate
    generated_ids: bool
    key: str
    def __init__(self, corpus: _Optional[str] = ..., source: _Optional[str] = ..., on_duplicate: _Optional[_Union[OnDuplicate, str]] = ..., generated_ids: _Optional[bool] = ..., key: _Optional[str] = ...) -> None: ...

class ImportPiece(_message.Message):
    __slots__ = ("begin", "arrow")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    ARROW_FIELD_NUMBER: _ClassVar[int]
    begin: ImportRequest
    arrow: bytes
    def __init__(self, begin: _Optional[_Union[ImportRequest, _Mapping]] = ..., arrow: _Optional[bytes] = ...) -> None: ...

class ImportReport(_message.Message):
    __slots__ = ("corpus", "n_documents", "n_skipped", "reasons", "first_doc", "n_updated", "n_changed", "examples", "notes")
    class ReasonsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    N_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    N_SKIPPED_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    FIRST_DOC_FIELD_NUMBER: _ClassVar[int]
    N_UPDATED_FIELD_NUMBER: _ClassVar[int]
    N_CHANGED_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    n_documents: int
    n_skipped: int
    reasons: _containers.ScalarMap[str, int]
    first_doc: int
    n_updated: int
    n_changed: int
    examples: _containers.RepeatedScalarFieldContainer[str]
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, corpus: _Optional[str] = ..., n_documents: _Optional[int] = ..., n_skipped: _Optional[int] = ..., reasons: _Optional[_Mapping[str, int]] = ..., first_doc: _Optional[int] = ..., n_updated: _Optional[int] = ..., n_changed: _Optional[int] = ..., examples: _Optional[_Iterable[str]] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class AnnotateRequest(_message.Message):
    __slots__ = ("corpus", "known_only", "replace_imported", "about")
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_ONLY_FIELD_NUMBER: _ClassVar[int]
    REPLACE_IMPORTED_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    known_only: bool
    replace_imported: bool
    about: str
    def __init__(self, corpus: _Optional[str] = ..., known_only: _Optional[bool] = ..., replace_imported: _Optional[bool] = ..., about: _Optional[str] = ...) -> None: ...

class AnnotatePiece(_message.Message):
    __slots__ = ("begin", "arrow")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    ARROW_FIELD_NUMBER: _ClassVar[int]
    begin: AnnotateRequest
    arrow: bytes
    def __init__(self, begin: _Optional[_Union[AnnotateRequest, _Mapping]] = ..., arrow: _Optional[bytes] = ...) -> None: ...

class AnnotateReport(_message.Message):
    __slots__ = ("corpus", "columns", "new", "n_documents", "n_unknown", "unknown")
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    NEW_FIELD_NUMBER: _ClassVar[int]
    N_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    N_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    new: _containers.RepeatedScalarFieldContainer[str]
    n_documents: int
    n_unknown: int
    unknown: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, corpus: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., new: _Optional[_Iterable[str]] = ..., n_documents: _Optional[int] = ..., n_unknown: _Optional[int] = ..., unknown: _Optional[_Iterable[str]] = ...) -> None: ...

class DropColumnRequest(_message.Message):
    __slots__ = ("corpus", "column", "imported")
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    IMPORTED_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    column: str
    imported: bool
    def __init__(self, corpus: _Optional[str] = ..., column: _Optional[str] = ..., imported: _Optional[bool] = ...) -> None: ...

class DropColumnReport(_message.Message):
    __slots__ = ("corpus", "column", "was_there")
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    WAS_THERE_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    column: str
    was_there: bool
    def __init__(self, corpus: _Optional[str] = ..., column: _Optional[str] = ..., was_there: _Optional[bool] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("corpus", "where", "ids", "dry_run", "expect")
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    EXPECT_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    where: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    dry_run: bool
    expect: int
    def __init__(self, corpus: _Optional[str] = ..., where: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ..., dry_run: _Optional[bool] = ..., expect: _Optional[int] = ...) -> None: ...

class DeleteReport(_message.Message):
    __slots__ = ("corpus", "n_documents", "n_left", "ids", "dry_run")
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    N_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    N_LEFT_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    n_documents: int
    n_left: int
    ids: _containers.RepeatedScalarFieldContainer[str]
    dry_run: bool
    def __init__(self, corpus: _Optional[str] = ..., n_documents: _Optional[int] = ..., n_left: _Optional[int] = ..., ids: _Optional[_Iterable[str]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class JobDictionary(_message.Message):
    __slots__ = ("location", "name", "hook", "norm_factor")
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    HOOK_FIELD_NUMBER: _ClassVar[int]
    NORM_FACTOR_FIELD_NUMBER: _ClassVar[int]
    location: str
    name: str
    hook: str
    norm_factor: float
    def __init__(self, location: _Optional[str] = ..., name: _Optional[str] = ..., hook: _Optional[str] = ..., norm_factor: _Optional[float] = ...) -> None: ...

class StartEncodeRequest(_message.Message):
    __slots__ = ("corpus", "dictionaries", "model", "job", "window", "overlap", "max_tokens", "special_tokens", "prepend_bos", "chat", "values", "dtype", "batch_tokens", "shard_documents", "on_error", "batch_invariant", "quantization")
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    DICTIONARIES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SPECIAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    PREPEND_BOS_FIELD_NUMBER: _ClassVar[int]
    CHAT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    BATCH_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SHARD_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    ON_ERROR_FIELD_NUMBER: _ClassVar[int]
    BATCH_INVARIANT_FIELD_NUMBER: _ClassVar[int]
    QUANTIZATION_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    dictionaries: _containers.RepeatedCompositeFieldContainer[JobDictionary]
    model: str
    job: str
    window: int
    overlap: int
    max_tokens: int
    special_tokens: bool
    prepend_bos: bool
    chat: bool
    values: str
    dtype: str
    batch_tokens: int
    shard_documents: int
    on_error: OnError
    batch_invariant: bool
    quantization: str
    def __init__(self, corpus: _Optional[str] = ..., dictionaries: _Optional[_Iterable[_Union[JobDictionary, _Mapping]]] = ..., model: _Optional[str] = ..., job: _Optional[str] = ..., window: _Optional[int] = ..., overlap: _Optional[int] = ..., max_tokens: _Optional[int] = ..., special_tokens: _Optional[bool] = ..., prepend_bos: _Optional[bool] = ..., chat: _Optional[bool] = ..., values: _Optional[str] = ..., dtype: _Optional[str] = ..., batch_tokens: _Optional[int] = ..., shard_documents: _Optional[int] = ..., on_error: _Optional[_Union[OnError, str]] = ..., batch_invariant: _Optional[bool] = ..., quantization: _Optional[str] = ...) -> None: ...

class StartIndexRequest(_message.Message):
    __slots__ = ("collection", "job")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    collection: str
    job: str
    def __init__(self, collection: _Optional[str] = ..., job: _Optional[str] = ...) -> None: ...

class StartEmbedRequest(_message.Message):
    __slots__ = ("corpus", "model", "job")
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    corpus: str
    model: str
    job: str
    def __init__(self, corpus: _Optional[str] = ..., model: _Optional[str] = ..., job: _Optional[str] = ...) -> None: ...

class StartLabelRequest(_message.Message):
    __slots__ = ("collection", "job")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    collection: str
    job: str
    def __init__(self, collection: _Optional[str] = ..., job: _Optional[str] = ...) -> None: ...

class StartProjectRequest(_message.Message):
    __slots__ = ("collection", "of", "seed", "job")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    OF_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    collection: str
    of: MapOf
    seed: int
    job: str
    def __init__(self, collection: _Optional[str] = ..., of: _Optional[_Union[MapOf, str]] = ..., seed: _Optional[int] = ..., job: _Optional[str] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: str
    def __init__(self, job: _Optional[str] = ...) -> None: ...

class WatchJobRequest(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: str
    def __init__(self, job: _Optional[str] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("id", "kind", "corpus", "collections", "state", "problem", "error", "host", "pid", "started", "heartbeat", "is_loading", "n_workers", "n_in_flight", "n_repeated", "n_documents", "n_total", "n_failed", "n_tokens", "n_codes", "n_postings", "n_segments", "notes", "warnings", "n_labels", "n_fitted", "n_clusters")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CORPUS_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    IS_LOADING_FIELD_NUMBER: _ClassVar[int]
    N_WORKERS_FIELD_NUMBER: _ClassVar[int]
    N_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    N_REPEATED_FIELD_NUMBER: _ClassVar[int]
    N_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    N_TOTAL_FIELD_NUMBER: _ClassVar[int]
    N_FAILED_FIELD_NUMBER: _ClassVar[int]
    N_TOKENS_FIELD_NUMBER: _ClassVar[int]
    N_CODES_FIELD_NUMBER: _ClassVar[int]
    N_POSTINGS_FIELD_NUMBER: _ClassVar[int]
    N_SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    N_LABELS_FIELD_NUMBER: _ClassVar[int]
    N_FITTED_FIELD_NUMBER: _ClassVar[int]
    N_CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    corpus: str
    collections: _containers.RepeatedScalarFieldContainer[str]
    state: str
    problem: str
    error: str
    host: str
    pid: int
    started: float
    heartbeat: float
    is_loading: bool
    n_workers: int
    n_in_flight: int
    n_repeated: int
    n_documents: int
    n_total: int
    n_failed: int
    n_tokens: int
    n_codes: int
    n_postings: int
    n_segments: int
    notes: _containers.RepeatedScalarFieldContainer[str]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    n_labels: int
    n_fitted: int
    n_clusters: int
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., corpus: _Optional[str] = ..., collections: _Optional[_Iterable[str]] = ..., state: _Optional[str] = ..., problem: _Optional[str] = ..., error: _Optional[str] = ..., host: _Optional[str] = ..., pid: _Optional[int] = ..., started: _Optional[float] = ..., heartbeat: _Optional[float] = ..., is_loading: _Optional[bool] = ..., n_workers: _Optional[int] = ..., n_in_flight: _Optional[int] = ..., n_repeated: _Optional[int] = ..., n_documents: _Optional[int] = ..., n_total: _Optional[int] = ..., n_failed: _Optional[int] = ..., n_tokens: _Optional[int] = ..., n_codes: _Optional[int] = ..., n_postings: _Optional[int] = ..., n_segments: _Optional[int] = ..., notes: _Optional[_Iterable[str]] = ..., warnings: _Optional[_Iterable[str]] = ..., n_labels: _Optional[int] = ..., n_fitted: _Optional[int] = ..., n_clusters: _Optional[int] = ...) -> None: ...

class TagRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class TagReport(_message.Message):
    __slots__ = ("name", "created", "n_tables")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    N_TABLES_FIELD_NUMBER: _ClassVar[int]
    name: str
    created: _timestamp_pb2.Timestamp
    n_tables: int
    def __init__(self, name: _Optional[str] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., n_tables: _Optional[int] = ...) -> None: ...

class UntagRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class UntagReport(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CompactRequest(_message.Message):
    __slots__ = ("target",)
    TARGET_FIELD_NUMBER: _ClassVar[int]
    target: str
    def __init__(self, target: _Optional[str] = ...) -> None: ...

class Compacted(_message.Message):
    __slots__ = ("table", "n_before", "n_after", "n_removed")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    N_BEFORE_FIELD_NUMBER: _ClassVar[int]
    N_AFTER_FIELD_NUMBER: _ClassVar[int]
    N_REMOVED_FIELD_NUMBER: _ClassVar[int]
    table: str
    n_before: int
    n_after: int
    n_removed: int
    def __init__(self, table: _Optional[str] = ..., n_before: _Optional[int] = ..., n_after: _Optional[int] = ..., n_removed: _Optional[int] = ...) -> None: ...

class CompactReport(_message.Message):
    __slots__ = ("tables",)
    TABLES_FIELD_NUMBER: _ClassVar[int]
    tables: _containers.RepeatedCompositeFieldContainer[Compacted]
    def __init__(self, tables: _Optional[_Iterable[_Union[Compacted, _Mapping]]] = ...) -> None: ...

class RepairRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class Repaired(_message.Message):
    __slots__ = ("collection", "documents", "n_files", "kept", "n_kept_files", "n_segments", "n_blocks", "features")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    N_FILES_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    N_KEPT_FILES_FIELD_NUMBER: _ClassVar[int]
    N_SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    N_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    collection: str
    documents: _containers.RepeatedScalarFieldContainer[str]
    n_files: int
    kept: _containers.RepeatedScalarFieldContainer[str]
    n_kept_files: int
    n_segments: int
    n_blocks: int
    features: bool
    def __init__(self, collection: _Optional[str] = ..., documents: _Optional[_Iterable[str]] = ..., n_files: _Optional[int] = ..., kept: _Optional[_Iterable[str]] = ..., n_kept_files: _Optional[int] = ..., n_segments: _Optional[int] = ..., n_blocks: _Optional[int] = ..., features: _Optional[bool] = ...) -> None: ...

class RepairReport(_message.Message):
    __slots__ = ("repaired",)
    REPAIRED_FIELD_NUMBER: _ClassVar[int]
    repaired: _containers.RepeatedCompositeFieldContainer[Repaired]
    def __init__(self, repaired: _Optional[_Iterable[_Union[Repaired, _Mapping]]] = ...) -> None: ...

class CleanupRequest(_message.Message):
    __slots__ = ("older_than_s", "former_labels")
    OLDER_THAN_S_FIELD_NUMBER: _ClassVar[int]
    FORMER_LABELS_FIELD_NUMBER: _ClassVar[int]
    older_than_s: float
    former_labels: bool
    def __init__(self, older_than_s: _Optional[float] = ..., former_labels: _Optional[bool] = ...) -> None: ...

class CleanupReport(_message.Message):
    __slots__ = ("size_bytes", "retired", "n_labels")
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RETIRED_FIELD_NUMBER: _ClassVar[int]
    N_LABELS_FIELD_NUMBER: _ClassVar[int]
    size_bytes: int
    retired: _containers.RepeatedScalarFieldContainer[str]
    n_labels: int
    def __init__(self, size_bytes: _Optional[int] = ..., retired: _Optional[_Iterable[str]] = ..., n_labels: _Optional[int] = ...) -> None: ...

class ReplaceRequest(_message.Message):
    __slots__ = ("old", "new")
    OLD_FIELD_NUMBER: _ClassVar[int]
    NEW_FIELD_NUMBER: _ClassVar[int]
    old: str
    new: str
    def __init__(self, old: _Optional[str] = ..., new: _Optional[str] = ...) -> None: ...

class ReplaceReport(_message.Message):
    __slots__ = ("dictionary", "collections")
    DICTIONARY_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    dictionary: str
    collections: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dictionary: _Optional[str] = ..., collections: _Optional[_Iterable[str]] = ...) -> None: ...

class DropRequest(_message.Message):
    __slots__ = ("target",)
    TARGET_FIELD_NUMBER: _ClassVar[int]
    target: str
    def __init__(self, target: _Optional[str] = ...) -> None: ...

class DropReport(_message.Message):
    __slots__ = ("dropped",)
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    dropped: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dropped: _Optional[_Iterable[str]] = ...) -> None: ...
