"""Which rows of a source can be documents, and why the others cannot."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

INVALID_UTF8 = "invalid UTF-8"
INVALID_VALUE = "invalid value"
CUT_OFF = "line cut off"
CUT_TEXT = b"\xff cut off"  # no UTF-8: the text of a row of which the source has only a beginning
NO_TEXT = "no text"
EMPTY_TEXT = "empty text"
NO_ID = "no id"
REPEATED_ID = "duplicate id"
KNOWN_ID = "id already in the corpus"


def faults(rows: pa.RecordBatch) -> npt.NDArray[np.object_]:
    """For each row why it cannot be a document, "" if it can: str objects (n_rows,).

    `rows` has the string columns `id` and `text`, and any others. When several faults meet, the
    first of these is named: a line that is cut off, bytes that are not UTF-8 in any column, another
    value that its type does not allow, a null text, an empty or white-space text, a null or
    white-space id.
    """
    reasons = np.full(rows.num_rows, "", np.object_)
    for row, reason in _invalid_rows(rows).items():
        is_cut = rows["text"][row].cast(pa.binary()).as_py() == CUT_TEXT
        reasons[row] = CUT_OFF if is_cut else reason
    valid = np.flatnonzero(reasons == "")
    reasons[valid] = _absences(rows["id"].take(valid), rows["text"].take(valid))
    return reasons


def _absences(ids: pa.Array, text: pa.Array) -> npt.NDArray[np.object_]:
    """For each row of valid strings what it lacks, "" if nothing."""
    lacking = np.full(len(ids), "", np.object_)
    for mask, reason in (
        (ids.is_null(), NO_ID),
        (_is_blank(ids), NO_ID),
        (text.is_null(), NO_TEXT),
        (_is_blank(text), EMPTY_TEXT),
    ):
        lacking[np.asarray(mask)] = reason
    return lacking


def _is_blank(strings: pa.Array) -> pa.Array:
    blank = pc.or_(pc.equal(pc.binary_length(strings), 0), pc.utf8_is_space(strings))
    return blank.fill_null(fill_value=False)


def _invalid_rows(rows: pa.RecordBatch) -> dict[int, str]:
    """The rows that Arrow's full validation rejects, and why."""
    if not _invalid(rows):
        return {}
    # A copy, because the validation of a slice looks at all of a nested column's children.
    return _search(rows.take(np.arange(rows.num_rows)), 0)


def _search(rows: pa.RecordBatch, first: int) -> dict[int, str]:
    """The invalid rows, found by halving; `first` is the number of the first row."""
    reason = _invalid(rows)
    if not reason or rows.num_rows == 1:
        return {first: reason} if reason else {}
    half = rows.num_rows // 2
    left, right = np.arange(half), np.arange(half, rows.num_rows)
    return _search(rows.take(left), first) | _search(rows.take(right), first + half)


def _invalid(rows: pa.RecordBatch) -> str:
    try:
        rows.validate(full=True)
    except pa.ArrowInvalid as error:
        return INVALID_UTF8 if "UTF8" in str(error) else INVALID_VALUE
    return ""
