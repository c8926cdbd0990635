"""Windows of documents, and batches of windows that hold little padding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saelake.workers.encoder.tokens import Ids, TokenisedDocument, TokenSettings

# A batch ends before more than this share of its token budget is padding.
MAX_PADDING = 1 / 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """One sequence for the model: text between special tokens, and which of its tokens to keep.

    Attributes:
        document: the index of the document among those that were cut.
        prefix: `(p,) int32`.
        content: `(c,) int32`.
        suffix: `(s,) int32`.
        keep_from: the first token of the `p + c + s` that is kept.
        keep_to: the one after the last.
        position: the place of the first kept token among the document's stored tokens.
    """

    document: int
    prefix: Ids
    content: Ids
    suffix: Ids
    keep_from: int
    keep_to: int
    position: int

    def __len__(self) -> int:
        return len(self.prefix) + len(self.content) + len(self.suffix)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Windows as one input of the model, padded on the right with id 0.

    Attributes:
        input_ids: `(rows, length) int64`.
        attention_mask: `(rows, length) int64`, 0 at padding.
        keep: `(rows, length) bool`, true where a token is stored.
        document: `(n_kept,) int32`, the document of each kept token, row by row.
        position: `(n_kept,) int64`, its place among the document's stored tokens.
    """

    input_ids: npt.NDArray[np.int64]
    attention_mask: npt.NDArray[np.int64]
    keep: npt.NDArray[np.bool_]
    document: npt.NDArray[np.int32]
    position: npt.NDArray[np.int64]

    @property
    def n_kept(self) -> int:
        """How many tokens of the batch are stored."""
        return len(self.document)


def cut_windows(documents: Sequence[TokenisedDocument], settings: TokenSettings) -> list[Window]:
    """The windows of all documents, in order; a document without tokens has none.

    Every stored token is kept in exactly one window: of those that hold it, the one with the most
    text before it.

    Raises:
        InvalidInput: a window has no room for text between the special tokens.
    """
    return [
        window
        for index, document in enumerate(documents)
        for window in _windows(index, document, settings)
    ]


def _windows(index: int, document: TokenisedDocument, settings: TokenSettings) -> Iterator[Window]:
    n, p = len(document.content), len(document.prefix)
    capacity = settings.capacity(p + len(document.suffix))
    for start, stop, kept in _spans(n, capacity, settings.overlap):
        leading = document.n_leading if start == 0 else 0
        trailing = document.n_trailing if stop == n else 0
        yield Window(
            document=index,
            prefix=document.prefix,
            content=document.content[start:stop],
            suffix=document.suffix,
            keep_from=p + kept - start - leading,
            keep_to=p + stop - start + trailing,
            position=document.n_leading + kept - leading,
        )


def _spans(n: int, capacity: int, overlap: int) -> Iterator[tuple[int, int, int]]:
    """`(start, stop, first kept)` of each window over `n` tokens of text."""
    kept = start = 0
    while kept < n:
        stop = min(start + capacity, n)
        yield start, stop, kept
        kept = stop
        start += capacity - overlap


def alone(windows: Sequence[Window]) -> Iterator[Batch]:
    """A batch of each window, in order.

    In half precision a row's result depends on the shape of its batch, whose kernels add in
    another order: alone it depends on nothing but the window.
    """
    return (_batch([window]) for window in windows)


def batches(windows: Sequence[Window], token_budget: int) -> Iterator[Batch]:
    """Batches of windows of similar length, the longest first (ties by order).

    Rows times length is at most `token_budget`, except in a batch of one longer window, and
    padding at most an eighth of it. On a CPU a budget of 1,000 to 4,000 tokens was the fastest
    (MiniLM); a GPU needs more to be busy.
    """
    lengths = np.array([len(window) for window in windows], np.int64)
    order = np.argsort(-lengths, kind="stable")
    for first, stop in _groups(lengths[order], token_budget):
        yield _batch([windows[i] for i in order[first:stop]])


def _groups(lengths: npt.NDArray[np.int64], token_budget: int) -> Iterator[tuple[int, int]]:
    """The bounds of each batch in `lengths`, which descend."""
    first = padding = 0
    longest = int(lengths[0]) if len(lengths) else 0
    for i, length in enumerate(lengths.tolist()):
        padding += longest - length
        full = (i + 1 - first) * longest > token_budget
        if i > first and (full or padding > MAX_PADDING * token_budget):
            yield first, i
            first, padding, longest = i, 0, length
    if len(lengths):
        yield first, len(lengths)


def _batch(windows: Sequence[Window]) -> Batch:
    lengths = np.array([len(window) for window in windows])
    input_ids = np.zeros((len(windows), lengths.max()), np.int64)
    for row, window, length in zip(input_ids, windows, lengths, strict=True):
        np.concatenate((window.prefix, window.content, window.suffix), out=row[:length])
    column = np.arange(input_ids.shape[1])
    keep_from = np.array([window.keep_from for window in windows])
    keep_to = np.array([window.keep_to for window in windows])
    keep = (column >= keep_from[:, None]) & (column < keep_to[:, None])
    offset = np.array([window.position for window in windows]) - keep_from
    documents = np.array([window.document for window in windows], np.int32)
    return Batch(
        input_ids=input_ids,
        attention_mask=(column < lengths[:, None]).astype(np.int64),
        keep=keep,
        document=np.repeat(documents, keep_to - keep_from),
        position=(offset[:, None] + column)[keep],
    )
