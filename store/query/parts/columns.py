"""Metadata columns as an analysis needs them."""

import difflib

from saelake.store.documents.documents import Documents
from saelake.store.errors import InvalidInput


def check_column(documents: Documents, column: str) -> None:
    """Raise `InvalidInput` for a column that the corpus does not have."""
    columns = documents.metadata_columns
    if column in columns:
        return
    close = difflib.get_close_matches(column, columns, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else f"It has {', '.join(columns) or 'none'}."
    raise InvalidInput(
        f"{documents.corpus} has no metadata column {column!r}. {hint}", column=column
    )
