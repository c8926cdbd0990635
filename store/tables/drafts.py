"""Files of rows that nobody sees until a table names them."""

import json
from collections.abc import Iterable

import pyarrow as pa
from lance.fragment import FragmentMetadata, write_fragments

from saelake.store.tables.changes import Draft
from saelake.store.tables.failures import stored
from saelake.store.tables.objectstore import lance_options
from saelake.store.tables.opening import check_writable

STORAGE_VERSION = "2.2"
ROWS_PER_FRAGMENT = 1 << 20
MOST_ROWS = 2**31 - 1  # Lance takes 2^32 and more rows for 0, and begins a file with every batch


def draft_of(written: Iterable[FragmentMetadata]) -> Draft:
    """The files that Lance wrote."""
    return Draft(tuple(json.dumps(fragment.to_json()) for fragment in written))


def in_place(draft: Draft, fragment_id: int) -> FragmentMetadata:
    """The draft's one fragment, under another's id."""
    (fragment,) = draft.fragments
    return FragmentMetadata.from_json(json.dumps({**json.loads(fragment), "id": fragment_id}))


def write_first(
    uri: str,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    one_fragment: bool = False,
) -> Draft:
    """Stream `batches` into new files at `uri`, for a table of this schema made afterwards.

    A table that is made before its first rows are written stays behind, empty and with its
    columns fixed, when reading those rows fails; so they are written first.
    """
    check_writable(uri)
    # Lance numbers the fields of a schema in order, so the table's fields will be these files'.
    reader = pa.RecordBatchReader.from_batches(schema, batches)
    return draft_of(new_files(uri, reader, MOST_ROWS if one_fragment else ROWS_PER_FRAGMENT))


@stored
def new_files(
    uri: str, reader: pa.RecordBatchReader, most_rows: int = ROWS_PER_FRAGMENT
) -> list[FragmentMetadata]:
    """The rows in files at `uri`."""
    written: list[FragmentMetadata] = write_fragments(
        reader,
        uri,
        mode="overwrite",  # of files that no table names: it only writes, also beside a table
        max_rows_per_file=most_rows,
        data_storage_version=STORAGE_VERSION,
        storage_options=lance_options(uri),
    )
    return written
