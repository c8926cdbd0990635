"""What a verdict may be: yes or no, a number of 1 to 5, or one of some names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from saelake.store.errors import InvalidInput

YES_NO, ONE_TO_FIVE = "yes-no", "1-5"
MOST_NAMES, LONGEST_NAME = 50, 60


@dataclass(frozen=True, slots=True)
class VerdictScale:
    """`yes-no`, `1-5`, or names after commas, of which there are two or more.

    Raises `InvalidInput`.
    """

    said: str = YES_NO

    def __post_init__(self) -> None:
        if self.said in (YES_NO, ONE_TO_FIVE):
            return
        names = self.names
        if not 2 <= len(names) <= MOST_NAMES or len({n.casefold() for n in names}) < len(names):
            raise InvalidInput(
                f"A scale is {YES_NO}, {ONE_TO_FIVE}, or 2 to {MOST_NAMES} different names, as in "
                f"praise,blame,neither: not {self.said!r}."
            )
        for name in names:
            if not name or len(name) > LONGEST_NAME or not name.isprintable():
                raise InvalidInput(f"A verdict has 1 to {LONGEST_NAME} characters, not {name!r}.")

    @property
    def names(self) -> tuple[str, ...]:
        """The verdicts, as a model is to write them."""
        if self.said == ONE_TO_FIVE:
            return tuple("12345")
        if self.said == YES_NO:
            return ("yes", "no")
        return tuple(name.strip() for name in self.said.split(","))

    @property
    def type(self) -> pa.DataType:
        """The type of a column of verdicts."""
        return {YES_NO: pa.bool_(), ONE_TO_FIVE: pa.int64()}.get(self.said, pa.string())

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of a verdict."""
        if self.said == ONE_TO_FIVE:
            return {"type": "integer", "minimum": 1, "maximum": 5}
        return {"type": "string", "enum": list(self.names)}

    @property
    def asked(self) -> str:
        """What a prompt says of verdicts."""
        if self.said == ONE_TO_FIVE:
            return "a whole number from 1 (not at all) to 5 (entirely)"
        return "one of " + ", ".join(f'"{name}"' for name in self.names)

    def value(self, verdict: Any) -> bool | int | str:
        """A verdict that the schema holds, as its column has it."""
        if self.said == YES_NO:
            return bool(verdict == "yes")
        return int(verdict) if self.said == ONE_TO_FIVE else str(verdict)
