"""Which rows of a source can be documents, and why the others cannot."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

INVALID_UTF8 = "invalid UTF-8"
INVALID_VALUE = "invalid value"
NO_TEXT = "no text"
EMPTY_TEXT = "empty text"
NO_ID = "no id"
REPEATED_ID = "duplicate id"
KNOWN_ID = "id already in the corpus"


def faults(rows: pa.RecordBatch) -> npt.NDArray[np.object_]:
    """For each row why it cannot be a document, "" if it can: str objects (n_rows,).

    `rows` has the string columns `id` and `text`, and any others. When several faults meet, the
    first of these is named: bytes that are not UTF-8 in any column, another value that its type
    does not allow, a null text, an empty or white-space text, a null or white-space id.
    """
    reasons = np.full(rows.num_rows, "", np.object_)
    for row, reason in _invalid_rows(rows, 0).items():
        reasons[row] = reason
    ids, text = rows["id"], rows["text"]
    for mask, reason in (
        (text.is_null(), NO_TEXT),
        (_is_blank(text), EMPTY_TEXT),
        (ids.is_null(), NO_ID),
        (_is_blank(ids), NO_ID),
    ):
        reasons[_as_mask(mask) & (reasons == "")] = reason
    return reasons


def _is_blank(strings: pa.Array) -> pa.Array:
    return pc.or_(pc.equal(pc.binary_length(strings), 0), pc.utf8_is_space(strings))


def _as_mask(flags: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(flags.fill_null(fill_value=False))


def _invalid_rows(rows: pa.RecordBatch, first: int) -> dict[int, str]:
    """The rows that Arrow's full validation rejects, found by halving; `first` is added."""
    try:
        rows.validate(full=True)
    except pa.ArrowInvalid as error:
        if rows.num_rows == 1:
            return {first: INVALID_UTF8 if "UTF8" in str(error) else INVALID_VALUE}
    else:
        return {}
    half = rows.num_rows // 2
    # Copies, because the validation of a slice looks at all of a nested column's children.
    left, right = np.arange(half), np.arange(half, rows.num_rows)
    return _invalid_rows(rows.take(left), first) | _invalid_rows(rows.take(right), first + half)
