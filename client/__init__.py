"""saelake: which tokens fire feature X, over a whole corpus, in milliseconds.

>>> import saelake
>>> lake = saelake.connect("lake")                      # or "grpc://host:50051"
>>> lake["imdb/minilm-l4"].tokens(1234, where="label = 'pos'")  # doctest: +SKIP
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saelake.answers.analyses import Association as Association
    from saelake.answers.analyses import Associations as Associations
    from saelake.answers.analyses import CentralDocument as CentralDocument
    from saelake.answers.analyses import Cluster as Cluster
    from saelake.answers.analyses import Clusters as Clusters
    from saelake.answers.analyses import Correlation as Correlation
    from saelake.answers.analyses import Correlations as Correlations
    from saelake.answers.analyses import Diff as Diff
    from saelake.answers.analyses import Difference as Difference
    from saelake.answers.analyses import DistinctiveFeature as DistinctiveFeature
    from saelake.answers.analyses import Example as Example
    from saelake.answers.analyses import Families as Families
    from saelake.answers.analyses import Family as Family
    from saelake.answers.analyses import FoundDocument as FoundDocument
    from saelake.answers.analyses import FoundDocuments as FoundDocuments
    from saelake.answers.analyses import Label as Label
    from saelake.answers.analyses import Labels as Labels
    from saelake.answers.analyses import Match as Match
    from saelake.answers.analyses import Matches as Matches
    from saelake.answers.analyses import Neighbor as Neighbor
    from saelake.answers.analyses import Neighbors as Neighbors
    from saelake.answers.analyses import SharedFeature as SharedFeature
    from saelake.answers.lookups import Check as Check
    from saelake.answers.lookups import CollectionInfo as CollectionInfo
    from saelake.answers.lookups import Document as Document
    from saelake.answers.lookups import DocumentToken as DocumentToken
    from saelake.answers.lookups import Feature as Feature
    from saelake.answers.lookups import FeatureCodes as FeatureCodes
    from saelake.answers.lookups import Features as Features
    from saelake.answers.lookups import Hit as Hit
    from saelake.answers.lookups import Info as Info
    from saelake.answers.lookups import Job as Job
    from saelake.answers.lookups import Tokens as Tokens
    from saelake.answers.lookups import TopToken as TopToken
    from saelake.answers.lookups import Verification as Verification
    from saelake.collection import Collection as Collection
    from saelake.connection import connect as connect
    from saelake.dictionary import Dictionary as Dictionary
    from saelake.lake import Lake as Lake
    from saelake.store.errors import AccessDenied as AccessDenied
    from saelake.store.errors import AlreadyExists as AlreadyExists
    from saelake.store.errors import Conflict as Conflict
    from saelake.store.errors import CorpusError as CorpusError
    from saelake.store.errors import Corrupt as Corrupt
    from saelake.store.errors import DeadlineExceeded as DeadlineExceeded
    from saelake.store.errors import DictionaryError as DictionaryError
    from saelake.store.errors import DictionaryMismatch as DictionaryMismatch
    from saelake.store.errors import InvalidExpression as InvalidExpression
    from saelake.store.errors import InvalidFilter as InvalidFilter
    from saelake.store.errors import InvalidInput as InvalidInput
    from saelake.store.errors import LimitExceeded as LimitExceeded
    from saelake.store.errors import MissingExtra as MissingExtra
    from saelake.store.errors import ModelError as ModelError
    from saelake.store.errors import NotFound as NotFound
    from saelake.store.errors import SaelakeError as SaelakeError
    from saelake.store.errors import Unavailable as Unavailable
    from saelake.store.errors import ValueOverflow as ValueOverflow

__version__ = version("saelake")

# Imported when they are first used, so that `import saelake` costs nothing.
_NAMES = {
    "saelake.answers.analyses": (
        "Association",
        "Associations",
        "CentralDocument",
        "Cluster",
        "Clusters",
        "Correlation",
        "Correlations",
        "Diff",
        "Difference",
        "DistinctiveFeature",
        "Example",
        "Families",
        "Family",
        "FoundDocument",
        "FoundDocuments",
        "Label",
        "Labels",
        "Match",
        "Matches",
        "Neighbor",
        "Neighbors",
        "SharedFeature",
    ),
    "saelake.collection": ("Collection",),
    "saelake.connection": ("connect",),
    "saelake.dictionary": ("Dictionary",),
    "saelake.lake": ("Lake",),
    "saelake.answers.lookups": (
        "Check",
        "CollectionInfo",
        "Document",
        "DocumentToken",
        "Feature",
        "FeatureCodes",
        "Features",
        "Hit",
        "Info",
        "Job",
        "Tokens",
        "TopToken",
        "Verification",
    ),
    "saelake.store.errors": (
        "AccessDenied",
        "AlreadyExists",
        "Conflict",
        "CorpusError",
        "Corrupt",
        "DeadlineExceeded",
        "DictionaryError",
        "DictionaryMismatch",
        "InvalidExpression",
        "InvalidFilter",
        "InvalidInput",
        "LimitExceeded",
        "MissingExtra",
        "ModelError",
        "NotFound",
        "SaelakeError",
        "Unavailable",
        "ValueOverflow",
    ),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}
_FORMER = {"Activations": "FeatureCodes"}  # names that still work
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    name = _FORMER.get(name, name)
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'saelake' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
