"""What a lake or a collection says of itself when it is printed: its name, and what is in it."""

from collections.abc import Callable, Sequence

from saelake.answers.lookups import CollectionInfo
from saelake.answers.markup import view_html
from saelake.answers.text import several
from saelake.answers.view import View
from saelake.store.errors import SaelakeError
from saelake.store.format.schema import IMPORTED

Stored = Callable[[], Sequence[CollectionInfo]]


def contents(name: str, info: Stored, note: str | None = None) -> str:
    """The name and the collections, as text. Printing raises no error: what is wrong is said.

    The `note` says of what the counts are, where the name does not.
    """
    return str(_view(name, info, note))


def contents_html(name: str, info: Stored, note: str | None = None) -> str:
    """The name and the collections, as HTML for a notebook."""
    return view_html(_view(name, info, note))


def _view(name: str, info: Stored, note: str | None) -> View:
    try:
        found = info()
    except SaelakeError as error:
        return View(said=[name, error.message])
    if not len(found):
        return View(said=[name, "nothing is in it yet"])
    rows = [
        (
            row.name,
            several(row.n_documents, "document"),
            row.counted if row.n_tokens else "not encoded yet",
            _features(row) if row.d_sae else None,
        )
        for row in found
    ]
    return View(said=[name, *([note] if note else [])], rows=rows)


def _features(row: CollectionInfo) -> str:
    """How many features there are, and of what."""
    if row.architecture == IMPORTED:
        return f"{row.d_sae:,} features of {row.unit}s, made by {row.model}"
    return f"{row.d_sae:,} features at {row.hook} of {row.model}"
