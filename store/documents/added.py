"""Which columns of a corpus came after its documents, and what is known of them.

It stands in the metadata of the documents' table, so that it comes by the commit of the values.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

import pyarrow as pa

ADDED_KEY = "saelake:columns"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedColumn:
    """When values were last set in a column, and what was said of them then, if anything.

    With `is_imported` the column had come with documents, and values were put over its own.
    """

    changed: str  # in UTC, as ISO 8601 has it
    about: str | None = None
    is_imported: bool = False

    @property
    def when(self) -> datetime:
        """When values were last set."""
        return datetime.fromisoformat(self.changed)


def added_columns(schema: pa.Schema) -> dict[str, AddedColumn]:
    """Those of a corpus with these columns, by name."""
    said = (schema.metadata or {}).get(ADDED_KEY.encode(), b"{}")
    return {name: AddedColumn(**entry) for name, entry in json.loads(said).items()}


def with_added(schema: pa.Schema, columns: Mapping[str, AddedColumn]) -> pa.Schema:
    """The schema, of which just these columns came later."""
    entries = json.dumps({name: asdict(column) for name, column in columns.items()})
    return schema.with_metadata({**(schema.metadata or {}), ADDED_KEY.encode(): entries.encode()})
