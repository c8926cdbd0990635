"""What is claimed of texts of two sides, and what a judge said of each text."""

from dataclasses import dataclass
from typing import Literal

SideName = Literal["A", "B"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnDocument:
    """A document of a side. `unit` is its value in the column; None where there is none."""

    doc: int
    side: SideName
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """That texts of a side have a property more often; `features` are those that it explains."""

    more_in: SideName
    statement: str
    features: tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadVerdict:
    """Whether a text has a property, and the passage of it that shows so."""

    holds: bool
    quote: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextVerdict:
    """What a judge said of a text: `holds` is None where it could not be read, and `why`."""

    doc: int
    id: str
    side: SideName
    unit: str | None
    holds: bool | None
    quote: str = ""
    why: str = ""
