"""saelake: which tokens fire feature X, over a whole corpus, in milliseconds.

>>> import saelake
>>> lake = saelake.connect("lake")                      # or "grpc://host:50051"
>>> lake["imdb/minilm-l4"].tokens(1234, where="label = 'pos'")  # doctest: +SKIP
"""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

_FORMER = {"Activations": "FeatureCodes"}  # names of before, which still work

# The public names, and where each is: type checkers and editors read this list, and so does
# `_homes`, since each is imported when it is first used. `import saelake` alone costs nothing.
if TYPE_CHECKING:
    __version__: str

    from saelake.activations import KeptActivations as KeptActivations
    from saelake.answers.agreements import Agreement as Agreement
    from saelake.answers.agreements import Agreements as Agreements
    from saelake.answers.answer import Answer as Answer
    from saelake.answers.associations import Association as Association
    from saelake.answers.associations import Associations as Associations
    from saelake.answers.clusters import CentralDocument as CentralDocument
    from saelake.answers.clusters import Cluster as Cluster
    from saelake.answers.clusters import Clusters as Clusters
    from saelake.answers.clusters import DistinctiveFeature as DistinctiveFeature
    from saelake.answers.column_info import ColumnInfo as ColumnInfo
    from saelake.answers.correlations import Correlation as Correlation
    from saelake.answers.correlations import Correlations as Correlations
    from saelake.answers.differences import Diff as Diff
    from saelake.answers.differences import Difference as Difference
    from saelake.answers.differences import Example as Example
    from saelake.answers.encoded import EncodedToken as EncodedToken
    from saelake.answers.encoded import EncodedTokens as EncodedTokens
    from saelake.answers.encoded import TokenFeature as TokenFeature
    from saelake.answers.families import Families as Families
    from saelake.answers.families import Family as Family
    from saelake.answers.features import Feature as Feature
    from saelake.answers.features import FeatureContext as FeatureContext
    from saelake.answers.features import Features as Features
    from saelake.answers.features import FeatureView as FeatureView
    from saelake.answers.features import TopToken as TopToken
    from saelake.answers.found import ChosenFeature as ChosenFeature
    from saelake.answers.found import FoundDocument as FoundDocument
    from saelake.answers.found import FoundDocuments as FoundDocuments
    from saelake.answers.found import SharedFeature as SharedFeature
    from saelake.answers.jobs import Job as Job
    from saelake.answers.jobs import Jobs as Jobs
    from saelake.answers.labels import Label as Label
    from saelake.answers.labels import Labels as Labels
    from saelake.answers.labels import Neighbor as Neighbor
    from saelake.answers.labels import Neighbors as Neighbors
    from saelake.answers.listening import progress as progress
    from saelake.answers.lookups import Check as Check
    from saelake.answers.lookups import CollectionInfo as CollectionInfo
    from saelake.answers.lookups import Document as Document
    from saelake.answers.lookups import DocumentToken as DocumentToken
    from saelake.answers.lookups import FeatureCodes as FeatureCodes
    from saelake.answers.lookups import Hit as Hit
    from saelake.answers.lookups import Info as Info
    from saelake.answers.lookups import Tokens as Tokens
    from saelake.answers.lookups import Verification as Verification
    from saelake.answers.maps import Colours as Colours
    from saelake.answers.maps import MapPoint as MapPoint
    from saelake.answers.maps import MapPoints as MapPoints
    from saelake.answers.matches import Match as Match
    from saelake.answers.matches import Matches as Matches
    from saelake.answers.places import FeaturePlace as FeaturePlace
    from saelake.answers.places import FeaturePlaces as FeaturePlaces
    from saelake.answers.shares import Shares as Shares
    from saelake.answers.shares import ValueShare as ValueShare
    from saelake.answers.values import ValueCount as ValueCount
    from saelake.answers.values import ValueCounts as ValueCounts
    from saelake.answers.windows import FeatureWindow as FeatureWindow
    from saelake.answers.windows import Windows as Windows
    from saelake.collection import Collection as Collection
    from saelake.connection import connect as connect
    from saelake.dictionary import Dictionary as Dictionary
    from saelake.exports import LabelsForm as LabelsForm
    from saelake.exports.vectors import VectorsOf as VectorsOf
    from saelake.lake import Lake as Lake
    from saelake.making.sources import ArrowStream as ArrowStream
    from saelake.making.sources import Importable as Importable
    from saelake.making.sources import SparseMatrix as SparseMatrix
    from saelake.making.stages import Stage as Stage
    from saelake.making.stages import StageName as StageName
    from saelake.making.stages import Watcher as Watcher
    from saelake.store.errors import AccessDenied as AccessDenied
    from saelake.store.errors import AlreadyExists as AlreadyExists
    from saelake.store.errors import BudgetSpent as BudgetSpent
    from saelake.store.errors import Conflict as Conflict
    from saelake.store.errors import CorpusError as CorpusError
    from saelake.store.errors import Corrupt as Corrupt
    from saelake.store.errors import Crashed as Crashed
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
    from saelake.store.errors import OutOfSpace as OutOfSpace
    from saelake.store.errors import PermissionDenied as PermissionDenied
    from saelake.store.errors import SaelakeError as SaelakeError
    from saelake.store.errors import SaelakeWarning as SaelakeWarning
    from saelake.store.errors import SentInClear as SentInClear
    from saelake.store.errors import Unavailable as Unavailable
    from saelake.store.errors import ValueOverflow as ValueOverflow
    from saelake.store.format.provenance import LabelMade as LabelMade
    from saelake.store.format.provenance import LabelScore as LabelScore
    from saelake.store.format.provenance import ScoreKind as ScoreKind
    from saelake.store.format.sampling import TokenSample as TokenSample
    from saelake.store.reports import AnnotateReport as AnnotateReport
    from saelake.store.reports import CleanupReport as CleanupReport
    from saelake.store.reports import Compacted as Compacted
    from saelake.store.reports import DeleteReport as DeleteReport
    from saelake.store.reports import DropColumnReport as DropColumnReport
    from saelake.store.reports import ImportCodesReport as ImportCodesReport
    from saelake.store.reports import ImportReport as ImportReport
    from saelake.store.reports import IndexReport as IndexReport
    from saelake.store.reports import LabelsReport as LabelsReport
    from saelake.store.reports import MapReport as MapReport
    from saelake.store.reports import OnDuplicate as OnDuplicate
    from saelake.store.reports import Prefetched as Prefetched
    from saelake.store.reports import Repaired as Repaired
    from saelake.store.reports import ReplaceReport as ReplaceReport
    from saelake.store.reports import ServerVersion as ServerVersion
    from saelake.store.reports import Tag as Tag
    from saelake.store.requests.checks import Method as Method
    from saelake.store.requests.checks import Pooling as Pooling
    from saelake.store.requests.checks import Selection as Selection
    from saelake.store.requests.checks import Weight as Weight
    from saelake.store.requests.cluster import Clustering as Clustering
    from saelake.store.requests.commands.labels import NewLabel as NewLabel
    from saelake.store.requests.correlate import Adjacent as Adjacent
    from saelake.store.requests.diff import DiffOrder as DiffOrder
    from saelake.store.requests.diff import Unit as Unit
    from saelake.store.requests.features import FeatureOrder as FeatureOrder
    from saelake.store.requests.map import MapOf as MapOf
    from saelake.store.requests.match import MatchBy as MatchBy
    from saelake.store.requests.shares import ShareOrder as ShareOrder
    from saelake.store.requests.similar import Measure as Measure
    from saelake.store.requests.tokens import Order as Order
    from saelake.store.requests.tokens import Per as Per
    from saelake.store.requests.values import ValueOrder as ValueOrder
    from saelake.store.requests.waited.progress import Progress as Progress
    from saelake.transport import Transport as Transport
    from saelake.workers.encoder.options import KeepOptions as KeepOptions
    from saelake.workers.encoder.options import KeptDtypeChoice as KeptDtypeChoice
    from saelake.workers.encoder.options import OnError as OnError
    from saelake.workers.fleet.options import DictionaryChoice as DictionaryChoice
    from saelake.workers.fleet.options import EncodeOptions as EncodeOptions
    from saelake.workers.fleet.progress import EncodeProgress as EncodeProgress
    from saelake.workers.fleet.progress import EncodeReport as EncodeReport
    from saelake.workers.fleet.ray_cluster import RayCluster as RayCluster
    from saelake.workers.kept.loader import ActivationBatch as ActivationBatch
    from saelake.workers.kept.loader import ActivationLoader as ActivationLoader
else:

    def __getattr__(name):
        """The public object of this name, imported now. Raises `MissingExtra`."""
        if name == "__all__":
            return __dir__()
        if name == "__version__":
            from importlib.metadata import version  # which takes longer than all else here

            return version("saelake")
        name = _FORMER.get(name, name)
        home = _homes().get(name)
        if home is None:
            raise AttributeError(f"module 'saelake' has no attribute {name!r}")
        from saelake.store.errors import extra

        with extra("workers", f"saelake.{name}"):
            return getattr(import_module(home), name)

    def __dir__():
        """The public names, without those that need torch where it is not installed."""
        from importlib.util import find_spec

        absent = None if find_spec("torch") else "saelake.workers.kept.loader"
        return ["__version__", *(name for name, home in _homes().items() if home != absent)]

    @cache
    def _homes():
        """The module that each public name is in, as the imports above say."""
        import ast

        tree = ast.parse(__spec__.loader.get_source(__name__))
        found = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
        return {alias.asname: node.module for node in found for alias in node.names if alias.asname}
