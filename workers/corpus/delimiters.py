"""Which character separates the values of a CSV file, as far as its first line tells."""

import csv

from saelake.store.errors import CorpusError, InvalidInput

COMMA = ","
_CANDIDATES = (COMMA, ";", "\t", "|")
_NAMES = {"comma": COMMA, "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "space": " "}


def delimiter_of(asked: str | None) -> str | None:
    """The character that was asked for, maybe by name. Raises `InvalidInput`."""
    if asked is None:
        return None
    chosen = _NAMES.get(asked.lower(), asked)
    if len(chosen) != 1 or not chosen.isascii() or chosen.isalnum() or chosen in '"\r\n':
        raise InvalidInput(
            f"The delimiter {asked!r} is not one character that can separate values: use a comma, "
            f"or {', '.join(name for name in _NAMES if name.isalpha())}."
        )
    return chosen


def sniffed(name: str, header: str, text_column: str) -> str:
    """The delimiter that makes the text one of several columns of a first line.

    It is a comma where none does, so that a file of one column is read, and the error about
    missing columns is as of a CSV file. Raises `CorpusError` where several do.
    """
    found = [d for d in _CANDIDATES if _has(header, d, text_column)]
    if len(found) > 1:
        listed = " or ".join(map(_shown, found))
        raise CorpusError(
            f"The values of {name} may be separated by {listed}: its first line has a column "
            f"{text_column!r} either way. Say which with --delimiter.",
            file=name,
        )
    return found[0] if found else COMMA


def other_delimiter(header: str, delimiter: str) -> str | None:
    """A delimiter that makes more columns of a first line than this one, which makes one."""
    if len(_columns(header, delimiter)) > 1:
        return None
    found = (d for d in _CANDIDATES if len(_columns(header, d)) > 1)
    return next(found, None)


def _has(header: str, delimiter: str, text_column: str) -> bool:
    columns = _columns(header, delimiter)
    return len(columns) > 1 and text_column in columns


def _columns(header: str, delimiter: str) -> list[str]:
    return next(csv.reader([header], delimiter=delimiter), [])


def _shown(delimiter: str) -> str:
    return next(name for name, character in _NAMES.items() if character == delimiter)
