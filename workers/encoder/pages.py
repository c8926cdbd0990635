"""Pages: documents cut into parts and windows, a bounded number of tokens at a time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from transformers import PreTrainedTokenizerBase

from saelake.store.format.schema import MAX_PART_TOKENS
from saelake.workers.encoder.batches import Window, cut_windows
from saelake.workers.encoder.pack import Part
from saelake.workers.encoder.tokens import TokenisedDocument, TokenSettings, tokenise


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Page:
    """Parts of documents, and the windows whose kept tokens are theirs.

    A window's `document` is the index of its part, and `position` counts the part's tokens.
    """

    parts: tuple[Part, ...]
    windows: tuple[Window, ...]

    @property
    def n_tokens(self) -> int:
        """How many tokens the parts have."""
        return sum(len(part.token_ids) for part in self.parts)


def pages(
    documents: Iterable[tuple[Sequence[int], Sequence[str]]],
    tokenizer: PreTrainedTokenizerBase,
    settings: TokenSettings,
    *,
    page_tokens: int,
) -> Iterator[Page]:
    """The documents in order, as pages of about `page_tokens` tokens (at most 65,535 more).

    `documents` are batches of document numbers and texts.
    """
    parts: list[Part] = []
    windows: list[Window] = []
    n_tokens = 0
    for part, own in _parts(documents, tokenizer, settings):
        windows += [replace(window, document=len(parts)) for window in own]
        parts.append(part)
        n_tokens += len(part.token_ids)
        if n_tokens >= page_tokens:
            yield Page(parts=tuple(parts), windows=tuple(windows))
            parts, windows, n_tokens = [], [], 0
    if parts:
        yield Page(parts=tuple(parts), windows=tuple(windows))


def _parts(
    documents: Iterable[tuple[Sequence[int], Sequence[str]]],
    tokenizer: PreTrainedTokenizerBase,
    settings: TokenSettings,
) -> Iterator[tuple[Part, list[Window]]]:
    for numbers, texts in documents:
        tokenised = tokenise(tokenizer, texts, settings)
        cut = groupby(cut_windows(tokenised, settings), key=lambda window: window.document)
        windows = {document: list(own) for document, own in cut}
        for index, (number, document) in enumerate(zip(numbers, tokenised, strict=True)):
            yield from parts_of(number, document, windows.get(index, []))


def parts_of(
    doc: int, document: TokenisedDocument, windows: list[Window]
) -> Iterator[tuple[Part, list[Window]]]:
    """The parts of one document, each with the windows that hold its tokens.

    A window on the border of two parts is run for both, and each keeps its own tokens of it.
    """
    for number, begin in enumerate(range(0, max(len(document), 1), MAX_PART_TOKENS)):
        end = min(begin + MAX_PART_TOKENS, len(document))
        part = Part(
            doc=doc,
            part=number,
            token_ids=document.token_ids[begin:end],
            starts=document.starts[begin:end],
            lengths=document.lengths[begin:end],
        )
        yield part, [kept for w in windows if (kept := _within(w, begin, end)) is not None]


def _within(window: Window, begin: int, end: int) -> Window | None:
    """The window with only its kept tokens in [begin, end), or None when it has none."""
    kept = window.keep_to - window.keep_from
    first, last = max(window.position, begin), min(window.position + kept, end)
    if first >= last:
        return None
    return replace(
        window,
        position=first - begin,
        keep_from=window.keep_from + first - window.position,
        keep_to=window.keep_from + last - window.position,
    )
