"""What is known of a metadata column."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnInfo:
    """A metadata column of a corpus: its name, and its Arrow type.

    It came with documents if it `is_imported`. `changed` is when values were last set in it after
    that, and `about` what was said of them then; None where nothing was.
    """

    name: str
    type: str
    is_imported: bool
    changed: datetime | None = None
    about: str | None = None
