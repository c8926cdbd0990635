"""What a document has in a column of metadata, by which documents belong together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.collection import Collection
from saelake.store.errors import InvalidInput
from saelake.store.format.chances import hashed, hashed_texts
from saelake.store.predicates.names import typed


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentUnit:
    """A document's value as text, and its chance: below the share that is held back it judges.

    Without a value it is None, and the chance is the document's own.
    """

    value: str | None
    chance: float
    literal: str = "NULL"


class DocumentUnits:
    """The values of a collection's documents in a column, as filters name it.

    `doc` is any of its documents. Raises `InvalidInput` for a column that is not there.
    """

    def __init__(self, collection: Collection, column: str, doc: int) -> None:
        self._collection, self._column = collection, column
        self._path = _path(self._metadata(doc).type, column)

    def of(self, doc: int) -> DocumentUnit:
        """A document's value."""
        value = pc.struct_field(self._metadata(doc), self._path)
        if value.null_count:
            chance = hashed(np.array([doc], np.uint64))[0]
            return DocumentUnit(value=None, chance=float(chance))
        text = self._text(value)
        chance = hashed_texts([text])[0]
        return DocumentUnit(value=text, chance=float(chance), literal=_literal(value, text))

    def having(self, unit: DocumentUnit) -> list[int]:
        """The documents that have a value, ascending."""
        named = ".".join(map(typed, self._path))
        with self._collection.embeddings(f"{named} = {unit.literal}", pooling="binary") as reader:
            return sorted(doc for batch in reader for doc in batch["doc"].to_pylist())

    def _metadata(self, doc: int) -> Any:
        """What the document has, as an array of one."""
        answer = self._collection.document(doc=doc, features=()).to_arrow()
        return answer["metadata"].combine_chunks()

    def _text(self, value: Any) -> str:
        try:
            return str(value.cast(pa.string())[0].as_py())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InvalidInput(
                f"{self._column} has values of type {value.type}, which cannot group documents: "
                "name a column of texts or numbers.",
                column=self._column,
            ) from error


def _path(kind: Any, column: str) -> list[str]:
    """The names of the column and of the fields within, of which lower and upper case are one."""
    found: list[str] = []
    for said in [column.strip('"')] if column.startswith('"') else column.split("."):
        names = [field.name for field in kind] if pa.types.is_struct(kind) else []
        alike = [n for n in names if n == said] or [n for n in names if n.lower() == said.lower()]
        if len(alike) != 1:
            raise InvalidInput(f"There is no column {column}.", column=column)
        found, kind = [*found, alike[0]], kind.field(alike[0]).type
    return found


def _literal(value: Any, text: str) -> str:
    """The value as a filter has it."""
    kind = value.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return text
    if pa.types.is_boolean(kind):
        return text.upper()
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
