"""The functions that a filter may use: those whose work and memory its own length bounds.

The tables' engine has hundreds. Some make texts or lists as long as a number says (`repeat`), or
compare each character with each (`levenshtein`), so that one filter could end a server.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence

from saelake.store.predicates.tree import FunctionCall, Node, Value

GUIDE = "The page on filters in the guide lists the functions"
MAX_PATTERN = 1000  # characters of a pattern
MAX_REPEATED = 10_000  # characters of one, each as often as its counts repeat it
MAX_PADDED = 1000

# What makes something longer than what it is given, within bounds, and stands in none of its kind.
GROWING = frozenset(["concat", "concat_ws", "lpad", "rpad"])
_PATTERNS = frozenset(["regexp_like", "regexp_match", "regexp_count"])
_TEXTS = (
    "lower upper trim btrim ltrim rtrim substr substring left right split_part replace reverse "
    "length char_length character_length octet_length starts_with ends_with contains strpos"
)
_NUMBERS = "abs round floor ceil trunc sqrt exp ln log2 log10 power signum isnan random"
_TIMES = (
    "date_part date_trunc to_date to_timestamp to_timestamp_seconds to_timestamp_millis "
    "to_timestamp_micros to_timestamp_nanos from_unixtime now today current_date current_time "
    "current_timestamp"
)
_LISTS = (
    "array_has array_has_any array_has_all array_length array_element array_position array_min "
    "array_max list_has list_has_any list_has_all list_length array_contains list_contains "
    "cardinality empty make_array"
)
_OTHERS = "coalesce nullif nvl greatest least arrow_cast within_map"  # the last is of no column
FUNCTIONS = (
    GROWING | _PATTERNS | frozenset(" ".join((_TEXTS, _NUMBERS, _TIMES, _LISTS, _OTHERS)).split())
)
_AGGREGATES = frozenset(
    ["count", "sum", "avg", "mean", "min", "max", "median", "stddev", "array_agg", "string_agg"]
)
_COUNT = re.compile(r"\{(\d*)(?:,(\d*))?\}")
_TYPE = re.compile(
    r"(?:(?:U?Int(?:8|16|32|64))|Float(?:16|32|64)|Date(?:32|64)|Boolean|Utf8|LargeUtf8|Binary"
    r"|(?:Duration|Time32|Time64)\(\w+\)|Timestamp\([^()]*(?:\([^()]*\))?\)"
    r"|Decimal(?:128|256)\(\d{1,2}, ?\d{1,2}\))"
)


def unknown(name: str) -> str | None:
    """What is said of a function that filters have not; None where they have it."""
    if name in FUNCTIONS:
        return None
    if name in _AGGREGATES:
        return f"{name} is an aggregate, and a filter is asked of each document by itself."
    close = difflib.get_close_matches(name, sorted(FUNCTIONS), n=1, cutoff=0.4)
    meant = f" The nearest is {close[0]}." if close else ""
    return f"filters have no function {name}.{meant} {GUIDE}."


def unfit(call: FunctionCall) -> str | None:
    """What is wrong with what a function is given; None where nothing is."""
    rule = _RULES.get(call.name)
    return None if rule is None else rule(call.values)


def pattern_unfit(pattern: Node) -> str | None:
    """What is wrong with the pattern of LIKE or of a regular expression; None: nothing."""
    text = _text(pattern)
    if text is None:
        return "a pattern is a text in quotes. contains(a, b) compares columns."
    if len(text) > MAX_PATTERN:
        return f"a pattern may have {MAX_PATTERN:,} characters."
    return None


def _expression_unfit(values: Sequence[Node]) -> str | None:
    if len(values) < 2:
        return None  # the engine says what it lacks
    said = pattern_unfit(values[1])
    if said is not None:
        return said
    n = len(_text(values[1]) or "")
    for least, most in _COUNT.findall(_text(values[1]) or ""):
        n = min(n, MAX_REPEATED + 1) * max(_whole(least), _whole(most), 1)
    if n > MAX_REPEATED:
        return f"the counts of a pattern may make {MAX_REPEATED:,} characters of it."
    return None


def _whole(digits: str) -> int:
    """A number, or something above all that may be."""
    return int(digits[: len(str(MAX_REPEATED)) + 1] or "0")


def _padding_unfit(values: Sequence[Node]) -> str | None:
    width = values[1] if len(values) > 1 else None
    is_whole = isinstance(width, Value) and width.kind == "number" and width.text.isdecimal()
    if not is_whole or int(width.text) > MAX_PADDED:  # type: ignore[union-attr]  # a Value
        return f"its length is a number up to {MAX_PADDED:,}."
    return None


def _replacing_unfit(values: Sequence[Node]) -> str | None:
    texts = [_text(value) for value in values[1:3]]
    old, new = [*texts, None, None][:2]
    if not old or new is None or len(new.encode()) > len(old.encode()):
        return "it replaces a text in quotes by one that is no longer: replace(column, 'ab', 'c')."
    return None


def _type_unfit(values: Sequence[Node]) -> str | None:
    name = _text(values[1]) if len(values) > 1 else None
    if name is None or not _TYPE.fullmatch(name):
        return "its type is one such as 'Int32', 'Float64', 'Utf8' or 'Duration(Second)'."
    return None


def _text(node: Node) -> str | None:
    return node.text if isinstance(node, Value) and node.kind == "text" else None


_RULES: Mapping[str, Callable[[Sequence[Node]], str | None]] = {
    **dict.fromkeys(_PATTERNS, _expression_unfit),
    "lpad": _padding_unfit,
    "rpad": _padding_unfit,
    "replace": _replacing_unfit,
    "arrow_cast": _type_unfit,
}
