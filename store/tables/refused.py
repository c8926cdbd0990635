"""What Lance says of a filter that it does not answer, as an error of ours."""

import re
from collections.abc import Sequence

from saelake.store.errors import InvalidFilter

_AT_ROWS = "Error applying filter expression"
_FRAME = re.compile(
    r"^(?:LanceError\([A-Za-z]+\): |Invalid user input: |Not supported: |External error: "
    r"|Query Execution error: |Execution error: |Arrow error: |Error during planning: "
    r"|Parser error: |Schema error: |Cast error: |Invalid argument error: "
    r"|Error parsing function: |This feature is not implemented: "
    r"|Error applying filter expression to batch: "
    r"|Error optimizing sql filter: .*? \((?=LanceError|Invalid|Error)"
    r"|Error resolving filter expression .*?: (?=Invalid))"
)


def is_of_rows(error: Exception) -> bool:
    """Whether it is of a filter that does not fit the values of a row."""
    return _AT_ROWS in str(error)


def refused(where: str, error: Exception, columns: Sequence[str]) -> InvalidFilter:
    """The error of a filter; its datum `reason` is what Lance says, without where it says it."""
    said = str(error).splitlines()[0].split(", /")[0].split(", rust/")[0]
    while found := _FRAME.match(said):
        said = said[found.end() :]
    if "AggregateFunction" in said:
        said = "it has an aggregate, such as count, and is asked of each document by itself"
    reason = said.rstrip(" .") + "."
    return InvalidFilter(
        f"The filter {where!r} does not work on this corpus: {reason} "
        f"Columns: {', '.join(columns)}.",
        where=where,
        reason=reason,
    )
