"""How much of an answer an agent is given: what is cut shows it, and how to read more."""

from collections.abc import Mapping, Sequence
from typing import Any

from saelake.answers.plain import as_json

LONGEST_TEXT = 2_000  # characters of one value: of a label, or a column of metadata
MOST = 40_000  # characters of an answer: some 15,000 tokens of a model, which hosts allow
CUT = "cut"


def bounded(document: Mapping[str, Any], *whole: str) -> dict[str, Any]:
    """The document, with long texts cut and the last rows left out where it would be too long.

    Texts of the names `whole` at its top are kept: they were cut by whoever asked. What was cut is
    said as `cut`.
    """
    shorter = {
        name: value if name in whole else _shortened(value) for name, value in document.items()
    }
    said = list(document.get(CUT, ()))
    if shorter != document:
        said.append(
            f"Texts end at {LONGEST_TEXT:,} characters, where it says [cut]: read_document reads "
            "on in the text of a document."
        )
    for name in _longest_first(shorter):
        value = shorter[name]
        shorter[name], n_left = _first(value, MOST - _size(shorter) + _size(value))
        if n_left:
            said.append(
                f"{n_left} of {len(value)} {name} are left out, for the answer would be too long: "
                "ask for fewer, or narrow the question."
            )
    return {**shorter, CUT: said} if said else shorter


def _longest_first(document: Mapping[str, Any]) -> list[str]:
    """The names of the rows that an answer has."""
    rows = {
        name: _size(value)
        for name, value in document.items()
        if isinstance(value, list) and value and isinstance(value[0], dict)
    }
    return sorted(rows, key=lambda name: -rows[name])


def _shortened(value: Any) -> Any:
    """A value whose texts are at most so long."""
    match value:
        case str() if len(value) > LONGEST_TEXT:
            return f"{value[:LONGEST_TEXT]}… [cut: {len(value) - LONGEST_TEXT:,} more characters]"
        case dict():
            return {name: _shortened(item) for name, item in value.items()}
        case list():
            return [_shortened(item) for item in value]
    return value


def _first(rows: Sequence[Any], most: int) -> tuple[list[Any], int]:
    """The first rows that have so many characters together, at least one; how many others."""
    kept: list[Any] = []
    size = 0
    for row in rows:
        size += _size(row)
        if kept and size > most:
            break
        kept.append(row)
    return kept, len(rows) - len(kept)


def _size(value: Any) -> int:
    return len(as_json(value))
