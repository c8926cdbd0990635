"""A corpus's text in a prompt: it cannot close what encloses it, nor speak as someone else.

Each character that would is replaced by one that looks alike, so that tokens keep their lengths and
a reader sees the same text. A text without such characters stays what it is, and the prompt what
was published.
"""

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise

from saelake.language.fences import MARKS

_ALIKE = str.maketrans({"<": "‹", ">": "›", "[": "⁅", "]": "⁆", ":": "∶"})
_NAMES = (
    r"Example \d+|Activations|(?:NON-)?ACTIVATING EXAMPLES|Latent explanation|Explanation"
    r"|(?:Text |Test )?Examples|Passages?(?: \d+)?|Description|Sentences|Words|Neuron \d+"
)
_ENDS = r"\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"  # other ends of a line than \n
# The delimiters; the marks of answers; the headings of prompts, where a line begins with one; and
# what begins and ends the tokens of chat templates, which some servers read in any text.
_FORGED = re.compile(
    r"<{2,}|>{2,}"
    r"|\[(?:EXPLANATION|RESPONSE)\]\s*:"
    rf"|(?:^|(?<=[{_ENDS}]))[^\S\n]*(?:{_NAMES})\s*:"
    rf"|{MARKS.pattern}",
    re.IGNORECASE | re.MULTILINE,
)


def quoted(text: str) -> str:
    """The text with what could be taken for the prompt's own words replaced, of equal length."""
    return _FORGED.sub(lambda found: found[0].translate(_ALIKE), text)


def quoted_line(text: str) -> str:
    """The text in one line, quoted: a label, which is within a line of a prompt."""
    return quoted(" ".join(text.split()))


def quoted_tokens(tokens: Sequence[str]) -> tuple[str, ...]:
    """The tokens of a text, quoted as the whole that they are."""
    text = quoted("".join(tokens))
    ends = accumulate((len(token) for token in tokens), initial=0)
    return tuple(text[begin:end] for begin, end in pairwise(ends))


def marked(tokens: Sequence[str], is_marked: Sequence[bool]) -> str:
    """The text of quoted tokens, in which each run of marked ones stands between << and >>.

    A bracket that touches a delimiter is replaced as well.
    """
    pieces: list[str] = []
    inside = False
    for token, mark in zip(tokens, is_marked, strict=True):
        if mark != inside:
            pieces.append("<<" if mark else ">>")
            inside = mark
        pieces.append(token)
    if inside:
        pieces.append(">>")
    return _apart(pieces)


def _apart(pieces: list[str]) -> str:
    """The pieces as one text; brackets of tokens that touch a delimiter are replaced."""
    shown = [piece for piece in pieces if piece]
    for at, piece in enumerate(shown):
        if piece in ("<<", ">>"):
            continue
        if at and shown[at - 1] in ("<<", ">>"):
            piece = piece[:1].translate(_ALIKE) + piece[1:] if piece[0] in "<>" else piece
        if at + 1 < len(shown) and shown[at + 1] in ("<<", ">>"):
            piece = piece[:-1] + piece[-1:].translate(_ALIKE) if piece[-1] in "<>" else piece
        shown[at] = piece
    return "".join(shown)
