"""Columns as a filter names them, and as a message shows them: so that they can be typed."""

import difflib
import re
from collections.abc import Sequence

from saelake.store.predicates.grammar import RESERVED
from saelake.store.predicates.tree import Name

SHOWN = 40  # names in a message

_PLAIN = re.compile(r"[^\W\d]\w*")


class UnknownName(ValueError):
    """A name that no column has, or several (then it `is_ambiguous`); says which there are."""

    def __init__(self, message: str, *, is_ambiguous: bool) -> None:
        super().__init__(message)
        self.is_ambiguous = is_ambiguous


def typed(name: str) -> str:
    """A name as it must be typed: in double quotes where it is no word, or one of the language."""
    if _PLAIN.fullmatch(name) and name.upper() not in RESERVED:
        return name
    return quoted(name)


def quoted(name: str) -> str:
    """A name in double quotes, in which it is exactly this one."""
    return '"' + name.replace('"', '""') + '"'


def typed_list(names: Sequence[str]) -> str:
    """Names as they must be typed; of very many the first."""
    shown = ", ".join(typed(name) for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def resolved(name: Name, names: Sequence[str], what: str = "column") -> str:
    """Which of the names is meant. Raises `UnknownName`.

    One in quotes is exactly this one. Without quotes lower and upper case are the same, unless
    that leaves two, of which none is written so.
    """
    if name.text in names:
        return name.text
    alike = [other for other in names if other.casefold() == name.text.casefold()]
    if len(alike) == 1 and not name.is_quoted:
        return alike[0]
    raise UnknownName(_unknown(name, names, alike, what), is_ambiguous=len(alike) > 1)


def nearest(text: str, names: Sequence[str]) -> str | None:
    """The name that is most like a text, or begins with it; None where none is alike."""
    alike = [other for other in names if other.casefold() == text.casefold()]
    longer = [other for other in names if other.casefold().startswith(text.casefold())]
    close = alike or difflib.get_close_matches(text, names, n=1) or longer
    return close[0] if close else None


def _unknown(name: Name, names: Sequence[str], alike: Sequence[str], what: str) -> str:
    shown = quoted(name.text) if name.is_quoted else name.text
    if len(alike) > 1:
        both = " or ".join(map(quoted, alike))
        return f"{shown} may be {both}: write the one that is meant."
    close = nearest(name.text, names)
    meant = f" Did you mean {typed(close)}?" if close else ""
    text = name.text.replace("'", "''")
    single = f" (A text stands in single quotes: '{text}'.)" if name.is_quoted and not alike else ""
    return f"there is no {what} {shown}.{meant}{single} {what.title()}s: {typed_list(names)}."
