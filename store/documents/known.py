"""Rows whose id the corpus has already: the same document again, or another one."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.errors import CorpusError, InvalidInput
from saelake.store.reports import OnDuplicate
from saelake.store.tables.tables import Table


def check_on_duplicate(chosen: str) -> None:
    """Raise `InvalidInput` for what can not be done about a known id."""
    if chosen not in get_args(OnDuplicate):
        names = ", ".join(get_args(OnDuplicate))
        raise InvalidInput(f"on_duplicate is one of {names}, not {chosen!r}.")


def differing(table: Table, docs: Sequence[int], rows: pa.RecordBatch) -> npt.NDArray[np.bool_]:
    """Which rows have another text or other metadata than these documents, bool (n_rows,).

    `rows` has their text and the metadata of a source, with the corpus's types; a column that the
    source lacks is not looked at, and one that the corpus lacks is null there.
    """
    names = [name for name in rows.schema.names if name != "id"]
    stored = table.take(docs, [name for name in names if name in table.schema.names])
    differ = np.zeros(len(docs), np.bool_)
    for name in names:
        given = rows[name]
        if name in stored.schema.names:
            kept = stored[name].combine_chunks()
            if kept.equals(given):
                continue
            before = kept.to_pylist()
        else:
            before = [None] * len(docs)
        pairs = zip(before, given.to_pylist(), strict=True)
        # As text, so that what is not a number (NaN) is equal to itself.
        differ |= np.fromiter((repr(a) != repr(b) for a, b in pairs), np.bool_, len(docs))
    return differ


def another_place(corpus: str, file: str, row: int) -> CorpusError:
    """That the place of a row, which is its id, has another text in the corpus."""
    return CorpusError(
        f"{file}, row {row}: the corpus {corpus} has another text for this row under this "
        "name. Name a column of unique ids (--id-column), import the rows under another name or "
        "into another corpus, or replace what changed with --on-duplicate update.",
        file=file,
        row=row,
    )


def another_document(corpus: str, file: str, row: int, document_id: str) -> CorpusError:
    """That a known id has another document, where that is not allowed."""
    return CorpusError(
        f"{file}, row {row}: the corpus {corpus} has another text or other metadata under the id "
        f"{document_id!r}, so nothing was imported. Use --on-duplicate update to replace it, or "
        "skip to keep what is there.",
        file=file,
        row=row,
        id=document_id,
    )
