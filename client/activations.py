"""The activations that are kept of a collection: read in order, or shuffled for training."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from saelake.store.errors import NotFound, extra
from saelake.store.format.schema import CollectionSettings
from saelake.store.lake.lake import CollectionName, Lake

if TYPE_CHECKING:  # the base install has no Lance
    from saelake.store.activations.blocks import BlockReader, TokenBlock
    from saelake.store.activations.table import ActivationsTable
    from saelake.store.documents.filters import DocumentMask
    from saelake.workers.kept.loader import ActivationLoader

DEFAULT_BUFFER_BYTES = 256 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptActivations:
    """Dense activations of a sample of a collection's tokens; one consistent snapshot.

    Made by `Collection.activations`. Dictionaries at one hook point share what is kept.
    """

    name: str
    _reader: "BlockReader"
    _table: "ActivationsTable"
    _documents: "DocumentMask | None"

    @cached_property
    def n_tokens(self) -> int:
        """How many tokens there are."""
        if self._reader.sample == self._reader.settings.sample:
            return self._reader.blocks.n_tokens
        return self._table.count(self._reader.sample, self._documents)

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_tokens, d_in)`."""
        return self.n_tokens, self._reader.settings.d_in

    @property
    def dtype(self) -> str:
        """float16 or bfloat16."""
        return self._reader.settings.dtype

    @property
    def hook(self) -> str:
        """The hook point that they are of."""
        return self._reader.settings.collection.hook

    @property
    def failed(self) -> dict[int, str]:
        """The documents, by number, that have no activations, and why."""
        return dict(self._table.errors())

    def to_arrow(self) -> pa.RecordBatchReader:
        """The tokens by document and position, as a stream of batches of about 2 MiB.

        Columns: `doc` uint64, `position` uint32 (as codes count it), `token_id` uint32, and
        `vector`, a list of d_in float16. Arrow has no bfloat16: those become float32, exactly.
        """
        schema = _schema(self._reader)
        return pa.RecordBatchReader.from_batches(schema, _batches(self._reader, schema))

    def dataloader(
        self,
        *,
        batch_size: int = 4096,
        shuffle: bool = True,
        seed: int = 0,
        device: str | None = None,
        epochs: int = 1,
        num_workers: int = 0,
        buffer_bytes: int = DEFAULT_BUFFER_BYTES,
        drop_last: bool = False,
    ) -> "ActivationLoader":
        """A torch DataLoader of batches with `vectors`, `doc`, `position` and `token_id`.

        Each token comes once in each of `epochs` passes. Shuffled, blocks of about 2 MiB are read
        in random order into a buffer of `buffer_bytes` (of all workers together), and batches are
        drawn from it at random: the same for the same seed, epoch and number of workers. Batches
        are moved to `device` if there is one.
        """
        with extra("workers", "A data loader"):
            from saelake.workers.kept.loader import ActivationLoader, LoaderOptions
        options = LoaderOptions(
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            epochs=epochs,
            buffer_bytes=buffer_bytes,
            drop_last=drop_last,
        )
        return ActivationLoader(self._reader, options, num_workers=num_workers, device=device)

    def __repr__(self) -> str:
        of = f"{self.n_tokens:,} tokens × {self.shape[1]:,} {self.dtype}"
        return f"<KeptActivations {self.name}: {of} at {self.hook}, {self._reader.sample} of all>"


def kept_activations(
    lake: Lake, name: str, fraction: float | None, where: str | None
) -> KeptActivations:
    """What is kept of a collection. Raises `NotFound`, `InvalidFilter` and `InvalidInput`."""
    from saelake.store.documents.documents import Documents

    table = _find(lake, CollectionName.parse(name))
    mask = Documents.open(lake, CollectionName.parse(name).corpus).filters.mask(where)
    reader = table.reader(table.settings.sample.part(fraction), mask)
    return KeptActivations(name=name, _reader=reader, _table=table, _documents=mask)


def _find(lake: Lake, name: CollectionName) -> "ActivationsTable":
    from saelake.store.activations.table import find_store
    from saelake.store.snapshot.collection import open_codes
    from saelake.store.tables.tables import metadata

    codes = open_codes(lake, name)
    settings = CollectionSettings.from_json(metadata(codes.schema)["saelake:collection"])
    table = find_store(lake, settings)
    if table is None:
        why = "Encode it with --keep-activations to keep them; its codes stay as they are."
        if settings.is_imported:
            why = "Its codes were made elsewhere."
        raise NotFound(
            f"No activations are kept of {name}. {why}",
            collection=name,
        )
    return table


def _schema(reader: "BlockReader") -> pa.Schema:
    item = pa.float32() if reader.settings.dtype == "bfloat16" else pa.float16()
    return pa.schema(
        [
            pa.field("doc", pa.uint64()),
            pa.field("position", pa.uint32()),
            pa.field("token_id", pa.uint32()),
            pa.field("vector", pa.list_(item, reader.settings.d_in)),
        ]
    )


def _batches(reader: "BlockReader", schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    table = reader.open()
    for block in range(len(reader.blocks)):
        tokens = reader.read(table, block)
        if len(tokens):
            yield _batch(tokens, schema)


def _batch(tokens: "TokenBlock", schema: pa.Schema) -> pa.RecordBatch:
    vectors = tokens.vectors.reshape(-1)
    if vectors.dtype == np.uint16:
        vectors = (vectors.astype(np.uint32) << 16).view(np.float32)
    vector = schema.field("vector").type
    columns = [
        pa.array(tokens.doc),
        pa.array(tokens.position),
        pa.array(tokens.token_id),
        pa.FixedSizeListArray.from_arrays(pa.array(vectors), type=vector),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
