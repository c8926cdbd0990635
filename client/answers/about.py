"""What an answer says of itself, in its table's metadata: counts, the test, and notes."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

COUNTS = ("n", "degrees")  # and whatever begins with n_
LISTS = ("notes", "others", "columns")
NUMBERS = (
    "level",
    "length_a",
    "length_b",
    "length_auc",
    "length_effect",
    "length_p_value",
    "confirm_share",
    "recall",
    "share",
    "ci_low",
    "ci_high",
    "chi_squared",
    "p_value",
    "cramers_v",
    "small_cells",
    "least_expected",
)
STATE = "state"
UNITS = {"document": "documents"}


def metadata(table: pa.Table) -> Mapping[str, str]:
    """The metadata by name, as text, without the state: equal answers are of different times."""
    said = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    said.pop(STATE, None)
    return said


def said(table: pa.Table) -> Mapping[str, Any]:
    """The metadata by name: counts and other numbers as such, lists as tuples, else text."""
    return {name: _plain(name, value) for name, value in metadata(table).items()}


def _plain(name: str, value: str) -> Any:
    if name in LISTS:
        return tuple(json.loads(value))
    if name in COUNTS or name.startswith("n_"):
        return int(value)
    return float(value) if name in NUMBERS else value


def units(about: Mapping[str, Any]) -> str:
    """How many units there are, as in `1,200 documents`, or `300 values of prompt_id`."""
    unit, n = str(about.get("unit", "document")), about.get("n", 0)
    if n != 1:
        unit = UNITS.get(unit, unit.replace("value of", "values of"))
    return f"{n:,} {unit}"


def tested(about: Mapping[str, Any], what: str) -> str:
    """How many were tested of what, by which test, corrected how, controlled for what."""
    parts = []
    if about.get("control", "none") != "none":
        parts.append(f"controlled for {about['control']}")
    if "n_tested" in about and about.get("test", "none") != "none":
        parts.append(f"{about['n_tested']:,} {what} tested: {about['test']}")
        parts.append(f"q: {about['correction']}")
    return "".join(f"; {part}" for part in parts)
