"""Text for people: in one line, in columns, in one unit."""

import re
from collections.abc import Mapping
from typing import Any

# Controls, what turns the direction of what follows, and what has no width.
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def one_line(text: str) -> str:
    """The text with runs of white space and control characters as single spaces."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(" {2,}", " ", printable)


def several(n: int, noun: str) -> str:
    """How many of something, as `1 document` and `2,000 documents`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def lasting(seconds: float) -> str:
    """A time for people, in one unit: 45 s, 3 min, 7 h, 2 d."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def named(feature: int, pole: str | None) -> int | str:
    """What a feature is called in an answer: its number, or that of its pole, as -243 or +243."""
    return feature if pole is None else f"{pole}{feature}"


def described(metadata: Mapping[str, Any]) -> str:
    """Metadata in one line: `label=pos, year=2019`."""
    said = (f"{name}={value}" for name, value in metadata.items() if value is not None)
    return one_line(", ".join(said))


def labelled(label: str | None) -> str:
    """A label in one line; empty where there is none."""
    return one_line(label or "")


def both_labelled(a: str | None, b: str | None) -> str:
    """The labels of two features in one line; empty where neither has one."""
    return f"{labelled(a)} | {labelled(b)}" if a or b else ""
