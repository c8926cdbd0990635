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

class Frame(_message.Message):
    __slots__ = ("arrow",)
    ARROW_FIELD_NUMBER: _ClassVar[int]
    arrow: bytes
    def __init__(self, arrow: _Optional[bytes] = ...) -> None: ...

class FeatureList(_message.Message):
    __slots__ = ("numbers",)
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, numbers: _Optional[_Iterable[int]] = ...) -> None: ...

class InfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

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
    __slots__ = ("collection", "features", "token", "k", "all", "order")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    collection: str
    features: FeatureList
    token: str
    k: int
    all: bool
    order: FeatureOrder
    def __init__(self, collection: _Optional[str] = ..., features: _Optional[_Union[FeatureList, _Mapping]] = ..., token: _Optional[str] = ..., k: _Optional[int] = ..., all: _Optional[bool] = ..., order: _Optional[_Union[FeatureOrder, str]] = ...) -> None: ...

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

class ExportRequest(_message.Message):
    __slots__ = ("collection", "where")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    where: str
    def __init__(self, collection: _Optional[str] = ..., where: _Optional[str] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...
