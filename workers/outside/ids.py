"""Of which documents the rows of a matrix are: by a list, a file, or the documents' numbers."""

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from saelake.store.documents.documents import Documents
from saelake.store.errors import CorpusError, InvalidInput
from saelake.store.lake.lake import Lake

AskedIds = Sequence[str] | str | PathLike[str] | None


def ids_of_rows(
    lake: Lake,
    corpus: str,
    n_rows: int,
    *,
    own: Sequence[str] | None,
    asked: AskedIds,
    by_number: bool,
    name: str,
) -> Sequence[str]:
    """The id of the document that each row is of. Raises `CorpusError` where it is not said.

    `own` are those that the matrix has itself, `asked` a list or a file of one a line; `by_number`
    says that row i is document i.
    """
    given = {"the matrix's own": own is not None, "ids": asked is not None, "numbers": by_number}
    said = [what for what, is_given in given.items() if is_given]
    if len(said) > 1:
        raise InvalidInput(
            f"Which document each row of {name} is of is said twice: by {' and by '.join(said)}. "
            "Leave one out."
        )
    if by_number:
        return _numbered(lake, corpus, n_rows, name)
    found = own if asked is None else _listed(asked)
    if found is None:
        raise CorpusError(
            f"{name} does not say of which documents its rows are. Give a file with an id in each "
            f"line (--ids), or say --by-number if row i is document i of {corpus}.",
            source=name,
        )
    if len(found) != n_rows:
        raise CorpusError(
            f"{name} has {n_rows:,} rows, and there are {len(found):,} ids. Give one for each row.",
            source=name,
        )
    return found


def _listed(asked: Sequence[str] | str | PathLike[str]) -> Sequence[str]:
    if not isinstance(asked, str | PathLike):
        return [str(own) for own in asked]
    path = Path(fspath(asked)).expanduser()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"Cannot read the ids in {path}: {error}.", file=path) from error
    blank = next((i for i, line in enumerate(lines, start=1) if not line.strip()), None)
    if blank is not None:
        raise CorpusError(f"{path}, line {blank}: there is no id in it.", file=path)
    return lines


def _numbered(lake: Lake, corpus: str, n_rows: int, name: str) -> Sequence[str]:
    documents = Documents.open(lake, corpus)
    if documents.n_documents != n_rows or documents.n_deleted:
        deleted = f", of which {documents.n_deleted:,} are deleted" if documents.n_deleted else ""
        raise CorpusError(
            f"{name} has {n_rows:,} rows, and {corpus} {documents.n_documents:,} documents"
            f"{deleted}: which row is of which is not clear. Give a file of --ids.",
            source=name,
        )
    numbers = np.arange(n_rows, dtype=np.uint64)
    found: list[str] = documents.table.take(numbers.tolist(), ["id"])["id"].to_pylist()
    return found
