"""The words, names, literals and signs of a filter: every character of it is in one, or refused."""

import re
from dataclasses import dataclass
from typing import Literal

from saelake.store.predicates.mistakes import mistake

Kind = Literal["word", "name", "string", "bytes", "number", "sign", "end"]

MAX_CHARACTERS = 1_000_000
MAX_DIGITS = 100

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<bytes>[xX]'(?:[0-9a-fA-F]{2})*')
    |(?P<string>'(?:[^']|'')*')
    |(?P<name>"(?:[^"]|"")+"|`(?:[^`]|``)+`)
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<word>[^\W\d]\w*)
    |(?P<sign>::|<=|>=|<>|!=|==|\|\||[-+*/%=<>()\[\],.])""",
    re.VERBOSE,
)
_COMMENT = re.compile(r"--|/\*")
_TYPED = ("date", "time", "timestamp")  # a string may follow these at once
_UNKNOWN = {
    "'": "this quote is not closed. A quote within a text is written twice: 'it''s'.",
    '"': "this quote is not closed, or there is nothing in it.",
    "`": "this quote is not closed, or there is nothing in it.",
    ";": "a filter is one predicate, without a semicolon.",
    "‘": "texts stand in straight single quotes: 'pos'.",
    "’": "texts stand in straight single quotes: 'pos'.",
    "“": 'names stand in straight double quotes: "film title"; texts in single ones.',
    "”": 'names stand in straight double quotes: "film title"; texts in single ones.',
    "&": "AND joins conditions; there are no operators on bits.",
    "|": "OR joins conditions; there are no operators on bits.",
    "!": "NOT negates a condition; != compares.",
    "~": "patterns are compared with regexp_like(column, 'pattern').",
    "?": "a filter has no parameters: write the value.",
    "$": "a filter has no parameters: write the value.",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a filter; `text` is what it says, without its quotes."""

    kind: Kind
    text: str
    start: int
    stop: int

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these words, which are in upper case."""
        return self.kind == "word" and self.text.upper() in words

    def is_sign(self, *signs: str) -> bool:
        """Whether it is one of these signs."""
        return self.kind == "sign" and self.text in signs


def tokens_of(where: str) -> list[Token]:
    """The tokens of a filter; the last is its end. Raises `InvalidFilter`."""
    if len(where) > MAX_CHARACTERS:
        raise mistake(
            where,
            MAX_CHARACTERS,
            f"it has {len(where):,} characters, and may have {MAX_CHARACTERS:,}.",
        )
    found: list[Token] = []
    at = 0
    while at < len(where):
        match = _match(where, at)
        if match.lastgroup != "space":
            token = _token(match)
            _check_apart(where, found[-1] if found else None, token)
            found.append(token)
        at = match.end()
    return [*found, Token("end", "", at, at)]


def _match(where: str, at: int) -> re.Match[str]:
    if _COMMENT.match(where, at):
        raise mistake(
            where,
            at,
            "a filter has no comments, so that nothing of it is left out. (Minus a negative "
            "number is written - -1.)",
        )
    match = _TOKEN.match(where, at)
    if match is None:
        raise mistake(where, at, _UNKNOWN.get(where[at], "this character means nothing here."))
    return match


def _token(match: re.Match[str]) -> Token:
    kind, text = str(match.lastgroup), match[0]
    if kind == "string":
        text = text[1:-1].replace("''", "'")
    elif kind == "bytes":
        text = text[2:-1]
    elif kind == "name":
        text = text[1:-1].replace(text[0] * 2, text[0])
    return Token(kind, text, match.start(), match.end())  # type: ignore[arg-type]  # the groups


def _check_apart(where: str, last: Token | None, token: Token) -> None:
    """Raise `InvalidFilter` where two tokens touch that have no meaning together, as E'…', 12ab."""
    if token.kind == "number" and len(token.text) > MAX_DIGITS:
        raise mistake(where, token.start, f"a number may have {MAX_DIGITS} digits.")
    if last is None or last.stop < token.start:
        return
    if token.kind in ("string", "name") and last.kind == "word" and last.text.lower() not in _TYPED:
        raise mistake(
            where,
            last.start,
            f"{last.text}'…' is no kind of text. Texts are '…', names \"…\", bytes X'…'.",
        )
    if last.kind == "number" and token.kind in ("word", "number", "name", "string", "bytes"):
        raise mistake(where, last.start, "this is neither a number nor a name.")
