"""Values of columns that come after the documents: checked, and by which documents they are of.

Nothing of a table that was sent is believed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from saelake.store.documents.documents import Documents
from saelake.store.documents.fitting import check_column_names
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.format.lists import Array
from saelake.store.format.schema import RESERVED_COLUMNS
from saelake.store.format.widening import converted, widened
from saelake.store.requests.commands.columns import KEYS, LONGEST_VALUE, MOST_COLUMNS

IDS_PER_SCAN = 1 << 20  # what is looked for is hashed for each batch
SHOWN = 3  # of ids that no document has
LONGEST_NAME = 200
NOWHERE = -1


@dataclass(frozen=True, slots=True)
class RowDocuments:
    """Of each row of some annotations its document, or NOWHERE: int64 (n_rows,)."""

    doc: Array

    @property
    def known(self) -> Array:
        """The rows that have a document, in the order of the documents."""
        rows = np.flatnonzero(self.doc != NOWHERE)
        return rows[np.argsort(self.doc[rows], kind="stable")]


class Annotations:
    """Rows of values: the columns `id` or `doc`, which name a document (both: the one that has
    both), and one or more of values. Raises `InvalidInput` and `CorpusError` for what none can be.
    """

    def __init__(self, rows: pa.Table) -> None:
        _check_names(rows.schema)
        self._rows = rows
        self.columns = [f.name for f in rows.schema if f.name not in KEYS]
        self.values = {name: _plain(rows[name].combine_chunks(), name) for name in self.columns}
        self._check_keys()

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def find(self, documents: Documents) -> RowDocuments:
        """Which documents the rows are of; deleted ones are none."""
        is_numbered = self._docs is not None
        return RowDocuments((self._by_number if is_numbered else self._by_id)(documents))

    def named(self, rows: Array) -> list[str]:
        """What these rows call their documents, for people."""
        keys = self._ids if self._ids is not None else pa.array(self._docs)
        return [str(key) for key in keys.take(pa.array(rows)).to_pylist()]

    @cached_property
    def _ids(self) -> pa.Array | None:
        return self._rows["id"].combine_chunks() if "id" in self._rows.schema.names else None

    @cached_property
    def _docs(self) -> Array | None:
        if "doc" not in self._rows.schema.names:
            return None
        numbers = self._rows["doc"].combine_chunks()
        far = np.uint64(1 << 62)  # which no document is
        found: Array = np.minimum(numbers.cast(pa.uint64()).to_numpy(), far).astype(np.int64)
        return found

    def _check_keys(self) -> None:
        for name in KEYS:
            if name not in self._rows.schema.names:
                continue
            column = self._rows[name]
            if column.null_count:
                raise InvalidInput(f"A row of values names no document: its {name} is null.")
            counted = pc.value_counts(column.combine_chunks())
            twice = counted.filter(pc.greater(counted.field("counts"), 1))
            if len(twice):
                raise InvalidInput(
                    f"The document {twice[0]['values'].as_py()!r} has two values: give one row "
                    "for each document.",
                    id=str(twice[0]["values"].as_py()),
                )

    def _by_id(self, documents: Documents) -> Array:
        """The documents of the rows' ids."""
        found = np.full(len(self), NOWHERE, np.int64)
        assert self._ids is not None
        for batch in documents.table.scan(["doc", "id"], batch_rows=IDS_PER_SCAN):
            row = pc.index_in(batch["id"], self._ids)
            here = np.flatnonzero(np.asarray(row.is_valid()))
            doc = np.asarray(batch["doc"])[here].astype(np.int64)
            if documents.alive is not None:
                here, doc = here[documents.alive[doc]], doc[documents.alive[doc]]
            found[row.take(pa.array(here)).to_numpy()] = doc
        return found

    def _by_number(self, documents: Documents) -> Array:
        """The documents of the rows' numbers, where they have the rows' ids as well."""
        assert self._docs is not None
        doc = np.where(self._docs < documents.n_documents, self._docs, NOWHERE)
        there = np.flatnonzero(doc != NOWHERE)
        if documents.alive is not None:
            there = there[documents.alive[doc[there]]]
        if self._ids is not None:
            ids = documents.take(doc[there].astype(np.uint64), ["id"])["id"]
            same = pc.equal(ids, self._ids.take(pa.array(there))).fill_null(fill_value=False)
            there = there[same.to_numpy()]
        found = np.full(len(self), NOWHERE, np.int64)
        found[there] = doc[there]
        return found


def check_known(corpus: str, annotations: Annotations, found: RowDocuments) -> None:
    """Raise `NotFound` for rows of no document."""
    unknown = np.flatnonzero(found.doc == NOWHERE)
    if not len(unknown):
        return
    shown = ", ".join(map(repr, annotations.named(unknown[:SHOWN])))
    more = ", …" * (len(unknown) > SHOWN)
    raise NotFound(
        f"{corpus} has no document {shown}{more}: {len(unknown):,} of {len(annotations):,} rows "
        "are of none, so nothing was changed. Leave them out, or set the others alone with "
        "--known-only (known_only=True).",
        id=annotations.named(unknown[:1])[0],
    )


def fitted_values(corpus: str, name: str, values: pa.Array, stored: pa.Field) -> pa.Array:
    """Values as a column of a corpus stores them. Raises `InvalidInput` where it cannot."""
    wider = widened(stored.type, values.type)
    try:
        if wider is not None:
            return converted(values, stored.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    raise InvalidInput(
        f"The column {name!r} of {corpus} has values of type {stored.type}, which do not hold "
        f"these of type {values.type} without loss. Convert them, give the column another name, "
        f"or drop it first.",
        column=name,
    )


def _check_names(schema: pa.Schema) -> None:
    check_column_names("What was sent", schema)
    columns = [field for field in schema if field.name not in KEYS]
    if not 0 < len(columns) <= MOST_COLUMNS or len(columns) == len(schema):
        raise InvalidInput(
            f"Values come in 1 to {MOST_COLUMNS} columns, beside `id` or `doc`, which name the "
            f"documents: not {', '.join(map(repr, schema.names)) or 'none'}."
        )
    for field in schema:
        _check_name(schema, field)


def _check_name(schema: pa.Schema, field: pa.Field) -> None:
    name = field.name
    if schema.names.count(name) > 1:
        raise InvalidInput(f"There are two columns {name!r}: which is meant?", column=name)
    if name not in KEYS and (
        name in RESERVED_COLUMNS or name.startswith("saelake") or len(name) > LONGEST_NAME
    ):
        raise InvalidInput(
            f"A column cannot be called {name[:LONGEST_NAME]!r}: it is saelake's own, or longer "
            f"than {LONGEST_NAME} characters.",
            column=name,
        )
    if name == "id" and not types.is_string(field.type):
        raise InvalidInput(f"Ids are texts, not {field.type}.", column=name)
    if name == "doc" and not types.is_unsigned_integer(field.type):
        raise InvalidInput(f"Numbers of documents are not {field.type}.", column=name)


def _plain(values: pa.Array, name: str) -> pa.Array:
    """The values as one of the types that an added column has."""
    kind = values.type
    if types.is_null(kind):
        return values
    if types.is_string(kind) or types.is_large_string(kind):
        return _texts(values, name)
    for is_kind, stored in (
        (types.is_boolean, pa.bool_()),
        (types.is_integer, pa.int64()),
        (types.is_floating, pa.float64()),
    ):
        if is_kind(kind):
            return _cast(values, stored, name)
    raise InvalidInput(
        f"The values of {name!r} are of type {kind}: a column takes truths, whole and floating "
        "numbers, and texts.",
        column=name,
    )


def _texts(values: pa.Array, name: str) -> pa.Array:
    texts = _cast(values, pa.string(), name)
    longest = pc.max(pc.utf8_length(texts)).as_py() or 0
    if longest > LONGEST_VALUE:
        raise InvalidInput(
            f"A text of {name!r} has {longest:,} characters: at most {LONGEST_VALUE:,} are taken.",
            column=name,
        )
    return texts


def _cast(values: pa.Array, kind: pa.DataType, name: str) -> pa.Array:
    try:
        return values.cast(kind)
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"The values of {name!r} are no {kind}: {error}", column=name) from error


def similar_names(name: str, names: list[str]) -> Iterator[str]:
    """Those that a filter without quotes would take for the same."""
    return (other for other in names if other != name and other.lower() == name.lower())
