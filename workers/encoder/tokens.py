"""Texts to token ids with exact character offsets."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from saelake.store.errors import InvalidInput, ModelError
from saelake.store.format.schema import CollectionSettings

Ids = npt.NDArray[np.int32]

# The Rust tokenizer's encodings take about 600 bytes a token (measured with MiniLM's WordPiece), so
# that a call of a million characters peaks at about 150 MB.
CHARACTERS_PER_CALL = 1_000_000

# A longer text is read in pieces of this many characters, which overlap by `OVERLAP` of them.
PIECE = 250_000
OVERLAP = 2_000

# How much text is read first for a limited number of tokens; more is read where it has too few.
_CHARACTERS_PER_TOKEN = 8

# Some chat templates print today's date. A resumed run must not see another prompt than yesterday,
# so that every run sees the date that Llama's templates fall back to. transformers gives templates
# the function `strftime_now`, and lets nothing but a macro in the template itself stand before it.
_TEMPLATE_DATE = datetime(2024, 7, 26)
_FIXED_CLOCK = (
    "{%- macro strftime_now(format) %}{{ format"
    + "".join(f"|replace('%{c}', '{_TEMPLATE_DATE.strftime('%' + c)}')" for c in "YymdBbjAaHIMSp")
    + " }}{%- endmacro %}"
)

_PROBE = "saelake"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """How texts become tokens and windows.

    Attributes:
        window: the most tokens of one sequence of the model, special tokens included.
        overlap: tokens by which the text of two neighbouring windows overlaps.
        max_tokens: a document keeps only its first `max_tokens` tokens of text; None keeps all.
        special_tokens: whether the special tokens around a document are stored and get codes.
        prepend_bos: whether a sequence begins with a BOS token; None does as the tokenizer does.
            A CLS token counts as one for True, and is never taken away by False.
        chat: whether a text is put into the tokenizer's chat template, as the user's message.
    """

    window: int
    overlap: int = 0
    max_tokens: int | None = None
    special_tokens: bool = False
    prepend_bos: bool | None = None
    chat: bool = False

    def __post_init__(self) -> None:
        problems = []
        if self.window < 1:
            problems.append(f"window must be at least 1, not {self.window}")
        if not 0 <= self.overlap < max(self.window, 1):
            problems.append(f"overlap must be from 0 to below the window, not {self.overlap}")
        if self.max_tokens is not None and self.max_tokens < 1:
            problems.append(f"max_tokens must be at least 1, not {self.max_tokens}")
        if problems:
            raise InvalidInput("token settings: " + "; ".join(problems))

    @classmethod
    def of(cls, settings: CollectionSettings) -> "TokenSettings":
        """How the texts of a collection became tokens."""
        return cls(
            window=settings.window,
            overlap=settings.overlap,
            max_tokens=settings.max_tokens,
            special_tokens=settings.special_tokens,
            prepend_bos=settings.prepend_bos,
            chat=settings.chat,
        )

    def capacity(self, n_special: int) -> int:
        """The tokens of text in a full window that `n_special` special tokens surround.

        Raises:
            InvalidInput: a window has no more room for text than two windows overlap.
        """
        capacity = self.window - n_special
        if capacity <= self.overlap:
            raise InvalidInput(
                f"a window of {self.window} tokens with {n_special} special tokens has room for "
                f"{max(capacity, 0)} of text, which must be more than the overlap of "
                f"{self.overlap}: take a longer window",
                window=self.window,
            )
        return capacity


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenisedDocument:
    """The stored tokens of one document, and the special tokens that surround its windows.

    `text[start : start + length]` is a token's characters, counted in code points. A space that
    belongs to the token is in it (byte-level BPE and SentencePiece; WordPiece has none). Each of
    several tokens that make up one character has that whole character. Special tokens have no
    characters, and lengths above 65,535 are stored as 65,535.

    Attributes:
        token_ids: `(n,) int32`.
        starts: `(n,) uint32`.
        lengths: `(n,) uint16`.
        prefix: `(p,) int32`, the special tokens before the text of every window.
        suffix: `(s,) int32`, those after it.
        n_leading: how many of the n tokens come before the text: 0 or p.
        n_trailing: how many come after it: 0 or s.
    """

    token_ids: Ids
    starts: npt.NDArray[np.uint32]
    lengths: npt.NDArray[np.uint16]
    prefix: Ids
    suffix: Ids
    n_leading: int = 0
    n_trailing: int = 0

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def content(self) -> Ids:
        """The ids of the text alone, `(n - n_leading - n_trailing,) int32`."""
        return self.token_ids[self.n_leading : len(self) - self.n_trailing]


def tokenise(
    tokenizer: Any, texts: Sequence[str], settings: TokenSettings
) -> list[TokenisedDocument]:
    """The tokens of each text by a fast transformers tokenizer, in the order of the texts.

    The words of a text never become special tokens: `</s>` or `<|endoftext|>` in it are read as
    the characters they are. A text without tokens gives a document without tokens. The tokenizer
    itself is left as it was.

    Raises:
        InvalidInput: the window has no room for text.
        ModelError: the tokenizer lacks the BOS token or chat template that the settings ask for.
    """
    return list(tokeniser(tokenizer, settings).documents(texts))


@lru_cache(maxsize=16)
def tokeniser(tokenizer: Any, settings: TokenSettings) -> "Tokeniser":
    """The tokeniser of a tokenizer object and settings, made once."""
    return Tokeniser(tokenizer, settings)


def settled(tokenizer: Any, settings: TokenSettings) -> TokenSettings:
    """The settings with `prepend_bos` as it turns out: equal ones give equal windows of any text.

    True or false says whether windows begin with BOS. None says that the tokenizer puts a CLS token
    there, which is not taken away. Raises as `tokenise`.
    """
    begins = tokeniser(tokenizer, settings).begins_with_bos
    plain = replace(settings, prepend_bos=None)
    if begins and _keeps_cls(tokenizer) and tokeniser(tokenizer, plain).begins_with_bos:
        return plain
    return replace(settings, prepend_bos=begins)


def _keeps_cls(tokenizer: Any) -> bool:
    return _BosRule.of(tokenizer, None).is_cls


class Tokeniser:
    """A private copy of a tokenizer, and the special tokens that surround a window.

    `begins_with_bos` says whether windows begin with BOS, or with the CLS token that stands for it.
    """

    def __init__(self, tokenizer: Any, settings: TokenSettings) -> None:
        self.settings = settings
        bos = _BosRule.of(tokenizer, settings.prepend_bos)
        self._framing = _Chat(tokenizer, bos) if settings.chat else _Plain(tokenizer, bos)
        self.begins_with_bos = bos.begins(self._framing.prefix)
        settings.capacity(len(self._framing.prefix) + len(self._framing.suffix))

    def documents(self, texts: Sequence[str]) -> Iterator[TokenisedDocument]:
        """The tokenised document of each text, in order."""
        limit = self.settings.max_tokens
        for text, framed in zip(texts, self._framing.framed(texts, limit), strict=True):
            yield self._document(text, *framed)

    def _document(self, text: str, prefix: Ids, content: "Spans", suffix: Ids) -> TokenisedDocument:
        stored = content
        framed = self.settings.special_tokens and len(content) > 0
        if framed:
            stored = Spans.join([Spans.at(0, prefix), content, Spans.at(len(text), suffix)])
        lengths = np.minimum(stored.ends - stored.starts, np.iinfo(np.uint16).max)
        return TokenisedDocument(
            token_ids=stored.ids,
            starts=stored.starts.astype(np.uint32),
            lengths=lengths.astype(np.uint16),
            prefix=prefix,
            suffix=suffix,
            n_leading=len(prefix) if framed else 0,
            n_trailing=len(suffix) if framed else 0,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Token ids with the characters `[start, end)` of each, `(n,)` int32 and int64."""

    ids: Ids
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, part: slice) -> "Spans":
        return Spans(self.ids[part], self.starts[part], self.ends[part])

    def shifted(self, characters: int) -> "Spans":
        """These tokens, `characters` later in their text."""
        return Spans(self.ids, self.starts + characters, self.ends + characters)

    @classmethod
    def at(cls, character: int, ids: Ids) -> "Spans":
        """Tokens without characters of their own."""
        place = np.full(len(ids), character, np.int64)
        return cls(ids, place, place)

    @classmethod
    def join(cls, parts: Sequence["Spans"]) -> "Spans":
        """The tokens of all parts, one part after the other."""
        return cls(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.starts for part in parts]),
            np.concatenate([part.ends for part in parts]),
        )


class OffsetEncoder:
    """Strings to ids and characters, with no special tokens added, in bounded memory.

    It owns a copy of the tokenizer without truncation and padding, which checkpoints may bring, and
    without the post-processor, which would trim the leading space off the offsets of some.
    `special_tokens` says whether a special token's name in a string becomes that token.

    Attributes:
        prefix: `(p,) int32`, the special tokens that the tokenizer adds before a text.
        suffix: `(s,) int32`, those it adds after it.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        special_tokens: bool = False,
        piece: int = PIECE,
        overlap: int = OVERLAP,
    ) -> None:
        self._rust = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._rust.no_truncation()
        self._rust.no_padding()
        self.prefix, self.suffix = _added(self._rust)
        self._rust.post_processor = None
        self._rust.encode_special_tokens = not special_tokens
        self._piece = piece
        self._overlap = overlap

    def encode(self, strings: Iterable[str], limit: int | None = None) -> Iterator[Spans]:
        """The tokens of each string in order: all, or at least the first `limit` of them."""
        head = self._piece
        if limit is not None:
            head = min(head, _CHARACTERS_PER_TOKEN * limit + 2 * self._overlap)
        for group in _groups(strings, head):
            heads = self._call([string[:head] for string in group])
            for string, spans in zip(group, heads, strict=True):
                yield spans if len(string) <= head else self._extend(string, spans, head, limit)

    def _call(self, strings: list[str]) -> list[Spans]:
        encodings = self._rust.encode_batch(strings, add_special_tokens=False)
        counts = [len(encoding) for encoding in encodings]
        n = sum(counts)
        ids = np.fromiter(chain.from_iterable(e.ids for e in encodings), np.int32, n)
        pairs = chain.from_iterable(e.offsets for e in encodings)
        offsets = np.fromiter(chain.from_iterable(pairs), np.int64, 2 * n).reshape(n, 2)
        whole = Spans(ids, offsets[:, 0], offsets[:, 1])
        ends = np.cumsum(counts).tolist()
        return [whole[end - count : end] for count, end in zip(counts, ends, strict=True)]

    def _extend(self, string: str, spans: Spans, end: int, limit: int | None) -> Spans:
        """The tokens of a string whose first `end` characters have been read as `spans`.

        The next piece begins `overlap` characters before the end of the one before. They are joined
        where both have the same token at the same character: what is cut off on either side of it
        cannot have changed it, except in a word that is longer than the overlap.
        """
        parts: list[Spans] = []
        n = 0
        while end < len(string):
            begin = end - self._overlap
            if limit is not None and n + np.searchsorted(spans.starts, begin) >= limit:
                break
            end = min(begin + self._piece, len(string))
            following = self._call([string[begin:end]])[0].shifted(begin)
            join = _joint(spans, following, begin + self._overlap // 2)
            if join is None:  # one word fills the overlap: only the whole text is sure
                return self._call([string])[0]
            parts.append(spans[: join[0]])
            n += join[0]
            spans = following[join[1] :]
        return Spans.join([*parts, spans])


@lru_cache(maxsize=8)
def _offset_encoder(tokenizer: Any, *, special_tokens: bool = False) -> OffsetEncoder:
    """The encoder of a tokenizer object, made once: large vocabularies take 1 s."""
    return OffsetEncoder(tokenizer, special_tokens=special_tokens)


def _added(rust: Tokenizer) -> tuple[Ids, Ids]:
    """The special tokens that the post-processor puts before and after a text."""
    probe = rust.encode(_PROBE)
    ids = np.array(probe.ids, np.int32)
    text = [i for i, sequence in enumerate(probe.sequence_ids) if sequence is not None]
    first, last = (text[0], text[-1]) if text else (len(ids), len(ids))
    return ids[:first], ids[last + 1 :]


def _joint(before: Spans, after: Spans, centre: int) -> tuple[int, int] | None:
    """Where the tokens of two overlapping pieces agree nearest to `centre`: an index into each.

    The first character of `after` is no such place: tokenizers treat the start of a text specially.
    """
    lowest = int(np.searchsorted(before.starts, after.starts[0] + 1)) if len(after) else len(before)
    tail, first = np.unique(before.starts[lowest:], return_index=True)
    head, second = np.unique(after.starts, return_index=True)
    common, i, j = np.intersect1d(tail, head, assume_unique=True, return_indices=True)
    here, there = lowest + first[i], second[j]
    same = before.ids[here] == after.ids[there]
    if not same.any():
        return None
    nearest = np.argmin(np.abs(common[same] - centre))
    return int(here[same][nearest]), int(there[same][nearest])


def _groups(strings: Iterable[str], head: int) -> Iterator[list[str]]:
    """Consecutive strings whose first `head` characters make up one call of the tokenizer."""
    group: list[str] = []
    size = 0
    for string in strings:
        group.append(string)
        size += min(len(string), head)
        if size >= CHARACTERS_PER_CALL:
            yield group
            group, size = [], 0
    if group:
        yield group


@dataclass(frozen=True, slots=True)
class _BosRule:
    """What becomes of the BOS token at the head of a window's special tokens."""

    prepend: bool | None
    bos: int | None
    is_cls: bool

    @classmethod
    def of(cls, tokenizer: Any, prepend: bool | None) -> "_BosRule":
        bos = tokenizer.bos_token_id
        cls_id = tokenizer.cls_token_id
        if prepend and bos is None and cls_id is None:
            raise ModelError(
                "the tokenizer has no BOS token to prepend: leave prepend_bos to the tokenizer, "
                "or set it to false"
            )
        return cls(prepend, cls_id if bos is None else bos, bos is None or bos == cls_id)

    def begins(self, prefix: Ids) -> bool:
        """Whether `prefix` begins with the BOS token."""
        return len(prefix) > 0 and self.bos is not None and int(prefix[0]) == self.bos

    def apply(self, prefix: Ids) -> Ids:
        """`prefix` with a BOS token prepended or taken away."""
        begins = self.begins(prefix)
        if self.prepend and not begins:
            return np.concatenate([np.array([self.bos], np.int32), prefix])
        if self.prepend is False and begins and not self.is_cls:
            return prefix[1:]
        return prefix


# The tokens before the text of a document, the text's own, and those after it.
_Framed = tuple[Ids, Spans, Ids]


class _Plain:
    """A text by itself, between the special tokens that the tokenizer adds."""

    def __init__(self, tokenizer: Any, bos: _BosRule) -> None:
        self._encoder = _offset_encoder(tokenizer)
        self.prefix = bos.apply(self._encoder.prefix)
        self.suffix = self._encoder.suffix

    def framed(self, texts: Sequence[str], limit: int | None) -> Iterator[_Framed]:
        """Each text's first `limit` tokens between its special tokens."""
        for spans in self._encoder.encode(texts, limit):
            yield self.prefix, spans[:limit], self.suffix


class _Chat:
    """A text as the user's message in a chat template.

    The template and the text are tokenised as one string, as the model would see it, because a
    token may depend on, or even contain, the end of the template before it. A text that names a
    special token is tokenised alone: in one string with the template it would become that token.
    """

    def __init__(self, tokenizer: Any, bos: _BosRule) -> None:
        self._bos = bos
        self._alone = _offset_encoder(tokenizer)
        self._together = _offset_encoder(tokenizer, special_tokens=True)
        self._opening, self._closing = _rendered(tokenizer, _PROBE)
        self._strips = _rendered(tokenizer, f" {_PROBE} ")[0] == self._opening
        names = {
            token_id: token.content
            for token_id, token in tokenizer.backend_tokenizer.get_added_tokens_decoder().items()
            if token.special
        }
        self._special_ids = np.array(list(names), np.int32)
        self._named = re.compile("|".join(map(re.escape, names.values())) or "(?!)")
        self.prefix = self.suffix = np.array([], np.int32)
        self.prefix, _, self.suffix = next(self.framed([_PROBE], None))

    def framed(self, texts: Sequence[str], limit: int | None) -> Iterator[_Framed]:
        """Each text's first `limit` tokens between the tokens of the template."""
        messages = [text.strip() for text in texts] if self._strips else texts
        alone = self._alone.encode(filter(self._named.search, messages), limit)
        together = self._together.encode(
            (self._wrapped(m) for m in messages if not self._named.search(m)),
            None if limit is None else limit + len(self.prefix) + 1,
        )
        for text, message in zip(texts, messages, strict=True):
            margin = len(text) - len(text.lstrip()) if self._strips else 0
            if self._named.search(message):
                prefix, spans, suffix = self.prefix, next(alone), self.suffix
            else:
                prefix, spans, suffix = self._split(next(together), len(message))
            if limit is not None and len(spans) >= limit:
                spans, suffix = spans[:limit], self.suffix  # the closing may be unread
            yield prefix, spans.shifted(margin), suffix

    def _wrapped(self, message: str) -> str:
        return self._opening + message + self._closing

    def _split(self, spans: Spans, n_characters: int) -> _Framed:
        """The opening's tokens, those of the text, from its first character on, and the closing's.

        A token of the text and of what surrounds it counts as the text's, with the characters that
        it has there.
        """
        start = len(self._opening)
        first = self._first_of_text(spans)
        stop = max(first, int(np.searchsorted(spans.starts, start + n_characters)))
        text = spans[first:stop]
        inside = Spans(
            text.ids,
            np.clip(text.starts - start, 0, n_characters),
            np.clip(text.ends - start, 0, n_characters),
        )
        return self._bos.apply(spans.ids[:first]), inside, spans.ids[stop:]

    def _first_of_text(self, spans: Spans) -> int:
        """The index of the first token with characters of the text.

        Some special tokens swallow the white space after them, and remain special.
        """
        start = len(self._opening)
        first = int(np.searchsorted(spans.ends, start, side="right"))
        while (
            first < len(spans)
            and spans.starts[first] < start
            and spans.ids[first] in self._special_ids
        ):
            first += 1
        return first


def _rendered(tokenizer: Any, message: str) -> tuple[str, str]:
    """What the chat template puts before and after the probe in a user's message."""
    try:
        text: str = tokenizer.apply_chat_template(
            [{"role": "user", "content": message}],
            chat_template=_template(tokenizer),
            tokenize=False,
            add_generation_prompt=False,
            date_string=_TEMPLATE_DATE.strftime("%d %b %Y"),
        )
    except Exception as error:  # a template is a program, and fails in its own ways
        raise ModelError(
            f"the tokenizer cannot put a text into a chat template: {_first_line(error)}"
        ) from error
    opening, probe, closing = text.partition(_PROBE)
    if not probe or _PROBE in closing:
        raise ModelError(
            "the tokenizer's chat template does not show the user's message exactly once"
        )
    return opening, closing


def _template(tokenizer: Any) -> str:
    template: str = tokenizer.get_chat_template()
    return _FIXED_CLOCK + template if "strftime_now" in template else template


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
