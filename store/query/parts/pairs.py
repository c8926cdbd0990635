"""Documents of two selections in pairs: those that have one value in a metadata column."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from saelake.store.documents.columns import read_columns
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array
from saelake.store.snapshot.selection import Selected

PAIRS_PER_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Pairs:
    """Documents `a[i]` and `b[i]` belong together, uint64 (n,)."""

    a: Array
    b: Array

    def __len__(self) -> int:
        return len(self.a)

    def chunks(self) -> Iterator["Pairs"]:
        """The pairs, some thousands at a time."""
        for begin in range(0, len(self), PAIRS_PER_CHUNK):
            part = slice(begin, begin + PAIRS_PER_CHUNK)
            yield Pairs(self.a[part], self.b[part])


def paired(a: Selected, b: Selected, column: str) -> Pairs:
    """The pairs: of one value the first document of a with the first of b, and so on.

    Values are compared as text, so 5 and "5" are one. Documents without a partner, and those
    without a value, are in no pair. Raises `InvalidInput` for a column that one of the corpora
    does not have, or of which values are no text.
    """
    sides = []
    for selected in (a, b):
        docs, values = _values(selected, column)
        numbered = pa.table({"value": _texts(values, column), "doc": docs})
        sides.append(numbered.append_column("turn", pa.array(_turns(numbered["value"]))))
    joined = sides[0].join(sides[1], ["value", "turn"], right_suffix="_b", join_type="inner")
    docs_a, docs_b = joined["doc"].to_numpy(), joined["doc_b"].to_numpy()
    order = np.argsort(docs_a)
    return Pairs(docs_a[order], docs_b[order])


def _values(selected: Selected, column: str) -> tuple[Array, pa.ChunkedArray]:
    """The documents of a selection that have a value in the column, ascending, and these."""
    rows = read_columns(selected.collection.documents, [column])
    keep = rows[column].is_valid().to_numpy().copy()
    if selected.mask is not None:
        keep &= selected.mask[rows["doc"].to_numpy()]
    rows = rows.filter(pa.array(keep))
    return rows["doc"].to_numpy(), rows[column]


def _texts(values: pa.ChunkedArray, column: str) -> pa.ChunkedArray:
    try:
        return values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(
            f"{column} has values of type {values.type}, which cannot pair documents: name a "
            "column of texts or numbers.",
            column=column,
        ) from error


def _turns(values: pa.ChunkedArray) -> Array:
    """How many equal values came before each value."""
    codes = values.combine_chunks().dictionary_encode()
    codes = codes.combine_chunks() if isinstance(codes, pa.ChunkedArray) else codes
    index = np.asarray(codes.indices)
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], index[order])
    turns = np.empty(len(index), np.int64)
    turns[order] = np.arange(len(index)) - starts
    return turns
