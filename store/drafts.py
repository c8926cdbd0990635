"""Drafts of tables that do not exist yet.

A table that is made before its first rows are written stays behind, empty and with its columns
fixed, when reading those rows fails. So a corpus's first rows are written first and its table is
made at the moment of the commit.
"""

import json
from collections.abc import Iterable

import pyarrow as pa
from lance.fragment import write_fragments

from saelake.store.tables import ROWS_PER_FRAGMENT, STORAGE_VERSION, Draft


def write_first(uri: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Draft:
    """Stream `batches` into new files at `uri`, for a table of this schema made afterwards."""
    # Lance numbers the fields of a schema in order, so the table's fields will be these files'.
    written = write_fragments(
        pa.RecordBatchReader.from_batches(schema, batches),
        uri,
        mode="create",
        max_rows_per_file=ROWS_PER_FRAGMENT,
        data_storage_version=STORAGE_VERSION,
    )
    return Draft(tuple(json.dumps(fragment.to_json()) for fragment in written))
