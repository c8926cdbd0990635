"""Tables that do not exist yet: their first rows, and how they are made.

A table that is made before its first rows are written stays behind, empty and with its columns
fixed, when reading those rows fails. So a corpus's first rows are written first (`write_first`)
and its table is made at the moment of the commit (`create`).
"""

import json
from collections.abc import Iterable

import lance
import pyarrow as pa
from lance.fragment import FragmentMetadata, write_fragments

from saelake.store.errors import NotFound
from saelake.store.tables import ROWS_PER_FRAGMENT, STORAGE_VERSION, Draft, Table


def write_first(uri: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Draft:
    """Stream `batches` into new files at `uri`, for a table of this schema made afterwards."""
    # Lance numbers the fields of a schema in order, so the table's fields will be these files'.
    written = _write(uri, pa.RecordBatchReader.from_batches(schema, batches))
    return Draft(tuple(json.dumps(fragment.to_json()) for fragment in written))


def create(uri: str, schema: pa.Schema) -> Table:
    """The table at `uri`, made with its anchor if there is none; of racing makers one makes it."""
    try:
        return Table.open(uri)
    except NotFound:
        nulls = [pa.nulls(1, field.type) for field in schema]
    anchor = _write(uri, pa.Table.from_arrays(nulls, schema=schema).to_reader())
    birth = lance.LanceOperation.Overwrite(schema, anchor)
    try:
        # Without retries, because a retry overwrites the table that another maker was faster with.
        lance.LanceDataset.commit(uri, birth, read_version=0, max_retries=0)
    except OSError as error:
        try:
            return Table.open(uri)
        except NotFound:
            raise error from None
    return Table.open(uri)


def _write(uri: str, reader: pa.RecordBatchReader) -> list[FragmentMetadata]:
    written: list[FragmentMetadata] = write_fragments(
        reader,
        uri,
        mode="overwrite",  # of files that no table names: it only writes, also beside a table
        max_rows_per_file=ROWS_PER_FRAGMENT,
        data_storage_version=STORAGE_VERSION,
    )
    return written
