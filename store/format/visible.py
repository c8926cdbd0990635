"""Text of others as a terminal or a log may show it: nothing in it commands or misleads."""

import re

# C0 and C1 controls but tabs and line ends, the marks, overrides and isolates of direction
# (Unicode's UAX #9), and halves of surrogate pairs, which no encoding can write.
COMMANDS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
# Beside these what a page does not show though it is there: other controls, and what has no width.
# Not the joiners (U+200C, U+200D), which Persian, the scripts of India and emoji are written with.
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
LINE_ENDS = re.compile("[\t\n\r\u2028\u2029]")


def escaped(text: str) -> str:
    """The text with `\\uXXXX` for control characters but line ends and tabs, and for those that
    turn the direction of writing.
    """
    return COMMANDS.sub(_escape, text)


def on_one_line(text: str) -> str:
    """The text, escaped, and with `\\uXXXX` for line ends and tabs as well."""
    return LINE_ENDS.sub(_escape, escaped(text))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
