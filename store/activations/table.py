"""The table of kept activations: its snapshots, and which collections share one."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from saelake.store.activations.blocks import BLOCK_BYTES, SCAN_ROWS, BlockReader, Blocks
from saelake.store.codes.table import Locations, locate
from saelake.store.documents.filters import DocumentMask
from saelake.store.errors import AlreadyExists
from saelake.store.format.activations import KeptSettings
from saelake.store.format.lists import Lists
from saelake.store.format.sampling import TokenSample
from saelake.store.format.schema import CollectionSettings
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.tables.tables import Table, metadata


class ActivationsTable:
    """A snapshot of kept activations."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.settings = KeptSettings.from_metadata(metadata(table.schema))

    @classmethod
    def open(cls, lake: Lake, name: CollectionName) -> "ActivationsTable":
        """The newest snapshot of what is kept beside a collection. Raises `NotFound`."""
        return cls(Table.open(lake.activations(name)))

    @classmethod
    def find(cls, lake: Lake, name: CollectionName) -> "ActivationsTable | None":
        """The newest snapshot of what is kept beside a collection; None where nothing is."""
        table = Table.find(lake.activations(name))
        return None if table is None else cls(table)

    @cached_property
    def locations(self) -> Locations:
        """Where the documents are."""
        return locate(self.table, [fragment.id for fragment in self.table.fragments])

    @property
    def n_tokens(self) -> int:
        """How many tokens there are."""
        counts = self.table.scan(["n_tokens"], batch_rows=SCAN_ROWS)
        return sum(int(np.asarray(batch["n_tokens"]).sum()) for batch in counts)

    def reader(self, sample: TokenSample, documents: DocumentMask | None = None) -> BlockReader:
        """Blocks of about 2 MiB with the tokens of a sample, of the documents a mask keeps."""
        block_tokens = max(BLOCK_BYTES // (2 * self.settings.d_in), 1)
        return BlockReader(
            uri=self.table.uri,
            version=self.table.version,
            settings=self.settings,
            sample=sample,
            blocks=Blocks.plan(self.table, documents, block_tokens),
        )

    def count(self, sample: TokenSample, documents: DocumentMask | None = None) -> int:
        """How many tokens a sample has, in the documents that a mask keeps."""
        n_tokens = 0
        for batch in self.table.scan(["doc", "positions"], batch_rows=SCAN_ROWS):
            positions = Lists.of(batch["positions"])
            doc = np.asarray(batch["doc"])[positions.rows]
            kept = sample.has(doc, positions.values)
            n_tokens += int((kept if documents is None else kept & documents[doc]).sum())
        return n_tokens

    def errors(self) -> Iterator[tuple[int, str]]:
        """The documents that have no activations, and why."""
        for batch in self.table.scan(["doc", "error"], where="error IS NOT NULL"):
            yield from zip(batch["doc"].to_pylist(), batch["error"].to_pylist(), strict=True)


def find_store(lake: Lake, settings: CollectionSettings) -> ActivationsTable | None:
    """What is kept of the activations that a collection's codes are made of, by any collection.

    Dictionaries at one hook point have the same activations, which are kept once.
    """
    own = CollectionName.parse(settings.name)
    others = [n for n in lake.activation_stores() if n.corpus == own.corpus and n != own]
    for name in [own, *others]:
        table = ActivationsTable.find(lake, name)
        if table is not None and table.settings.are_of(settings):
            return table
    return None


def check_kept(settings: KeptSettings, table: Table) -> None:
    """Raise `AlreadyExists` when the activations in a table were begun with other settings."""
    name, stored = settings.collection.name, ActivationsTable(table).settings
    if not stored.are_of(settings.collection):
        raise AlreadyExists(
            f"Activations of another hook point or window are kept at {name}. Give the dictionary "
            "another name with --name.",
            collection=name,
        )
    asked, was = (f"{s.sample} as {s.dtype}, seed {s.sample.seed}" for s in (settings, stored))
    if asked != was:
        raise AlreadyExists(
            f"Of the activations of {name}, {was}, are kept already (now {asked}). Use the same "
            "settings to continue, or leave --keep-activations out.",
            collection=name,
        )
