"""What was done to a lake: the values that the verbs which write return; and who does it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
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
class IndexReport:
    """What indexing did."""

    collection: str
    n_documents: int
    n_postings: int
    n_segments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceReport:
    """Which collections a name has now."""

    dictionary: str
    collections: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupReport:
    """What was deleted: bytes of files, and dictionaries that had been replaced."""

    size_bytes: int
    retired: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """Of one table the fragments before and after, and how many documents were taken out."""

    table: str
    n_before: int
    n_after: int
    n_removed: int


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
class Tag:
    """A tag: its name, when it was made, and of how many tables it names a snapshot."""

    name: str
    created: datetime
    n_tables: int


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
