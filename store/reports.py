"""What was done to a lake: the values that the verbs which write return; and who does it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

# What becomes of a row of an import whose id the corpus has with another text or other metadata.
OnDuplicate = Literal["skip", "update", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did: documents added, the first one's number, and rows left out by reason.

    `n_updated` of the documents replace earlier ones of the same id. `n_changed` of the rows left
    out have an id of the corpus with another text or other metadata. `examples` name the first
    rows that cannot be documents, and why. `notes` are sentences about what became of columns and
    ids on the way.
    """

    corpus: str
    n_documents: int
    n_skipped: int
    reasons: Mapping[str, int]
    first_doc: int
    n_updated: int = 0
    n_changed: int = 0
    examples: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportCodesReport:
    """What an import of codes did: documents that have codes now, and their units and codes.

    `n_updated` of them had others before. `n_known` documents had these codes already, and
    `n_changed` others, which stay. `n_unknown` rows were of no document, and left out; `unknown`
    are the first ids of those. `documents` is what became of the texts that came with the codes.
    """

    collection: str
    n_documents: int
    n_units: int
    n_codes: int
    n_known: int = 0
    n_changed: int = 0
    n_updated: int = 0
    n_unknown: int = 0
    unknown: tuple[str, ...] = ()
    documents: ImportReport | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteReport:
    """What was deleted of a corpus, or would be, and how many documents it has left then.

    `ids` are of the first of those documents, in the order of their numbers.
    """

    corpus: str
    n_documents: int
    n_left: int
    ids: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def n_before(self) -> int:
        """How many documents the corpus had."""
        return self.n_documents + self.n_left


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotateReport:
    """Of how many documents values were set in which columns of a corpus; `new` are those added.

    `n_unknown` rows were of no document, and left out; `unknown` names the first of them.
    """

    corpus: str
    columns: tuple[str, ...]
    new: tuple[str, ...]
    n_documents: int
    n_unknown: int = 0
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DropColumnReport:
    """Which column went, or that there was none."""

    corpus: str
    column: str
    was_there: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """What indexing did."""

    collection: str
    n_documents: int
    n_postings: int
    n_segments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MapReport:
    """What a map has: `n` points, of which `n_fitted` were laid out, the others placed by them."""

    collection: str
    of: str
    n: int
    n_fitted: int
    n_clusters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceReport:
    """Which collections a name has now."""

    dictionary: str
    collections: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DropReport:
    """Which collections were dropped, and the corpus at last, if that was."""

    dropped: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupReport:
    """What was deleted: bytes of files, dictionaries that had been replaced, former labels."""

    size_bytes: int
    retired: tuple[str, ...]
    n_labels: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """Of one table the fragments before and after, and how many documents were taken out."""

    table: str
    n_before: int
    n_after: int
    n_removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactReport:
    """What became of each table that was compacted."""

    tables: tuple[Compacted, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsReport:
    """How many labels of a dictionary were written, or taken back."""

    dictionary: str
    n_labels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What was done to a collection.

    `documents` are the ids of those whose codes were damaged and taken out, as far as they can be
    read in `n_files` files of codes that could not: `encode` makes them again. The same is true of
    `kept` and `n_kept_files`, of kept activations. So many segments of postings and blocks of
    impacts, and the statistics if `features`, were made again.
    """

    collection: str
    documents: tuple[str, ...] = ()
    n_files: int = 0
    kept: tuple[str, ...] = ()
    n_kept_files: int = 0
    n_segments: int = 0
    n_blocks: int = 0
    features: bool = False

    @property
    def anything(self) -> bool:
        """Whether there was anything to do."""
        return self != Repaired(collection=self.collection)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """What was done to each collection to which anything was done."""

    repaired: tuple[Repaired, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag: its name, when it was made, and of how many tables it names a snapshot."""

    name: str
    created: datetime
    n_tables: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UntagReport:
    """Which tag was forgotten."""

    name: str


JobKind = Literal["encode", "index", "embed", "label", "project"]
JobState = Literal["queued", "running", "done", "failed", "interrupted", "cancelled"]
ENDED = ("done", "failed", "interrupted", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """A long work over a lake, of its `kind`: what it is over, and how far it is.

    `n_documents` of `n_total` are done (of `label` features, of `project` points), `n_repeated`
    shards were handed out again, `n_workers` are ready and `n_in_flight` shards are with them.
    What it came to is `n_tokens` and what follows; `n_labels` of `label`, and of `project`
    `n_fitted` points that were laid out, in `n_clusters`. `problem` says why it failed, and `error`
    of which class that is. `notes` and `warnings` are what there is to say of it; while
    `is_loading` nothing is known yet. Times are seconds since 1970: one that has shown no sign of
    life since its `heartbeat` for a minute is taken to be interrupted.
    """

    id: str
    kind: JobKind = "encode"
    corpus: str
    collections: tuple[str, ...] = ()
    state: JobState = "running"
    problem: str | None = None
    error: str | None = None
    host: str = ""
    pid: int = 0
    started: float = 0.0
    heartbeat: float = 0.0
    is_loading: bool = False
    n_workers: int = 0
    n_in_flight: int = 0
    n_repeated: int = 0
    n_documents: int = 0
    n_total: int = 0
    n_failed: int = 0
    n_tokens: int = 0
    n_codes: int = 0
    n_postings: int = 0
    n_segments: int = 0
    n_labels: int = 0
    n_fitted: int = 0
    n_clusters: int = 0
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it runs or waits any more."""
        return self.state in ENDED

    @property
    def began(self) -> datetime:
        """When it began, in UTC."""
        return datetime.fromtimestamp(self.started, UTC)

    @property
    def seen(self) -> datetime:
        """When it last showed a sign of life, in UTC."""
        return datetime.fromtimestamp(self.heartbeat, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefetched:
    """What was fetched into a disk cache: files and bytes; what was there, what had no room."""

    n_files: int
    n_bytes: int
    n_present: int
    n_left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerVersion:
    """Which program answers: its version, that of its wire contract, and what else it knows.

    `state` is the state that the lake is in now: several questions asked of it see one state.
    """

    version: str
    wire: int
    features: tuple[str, ...]
    state: str
