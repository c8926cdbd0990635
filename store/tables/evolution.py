"""Columns of a table that change, with the rows that need it: all by one commit.

A wider column is written beside the old one, as a file more of each fragment, and has its name from
the commit on; a new column needs no file where it is null. Measured with pylance 14: `Merge` takes
fragments with new files, new fragments and a schema at once, keeps indexes of words, and conflicts
with every other commit of rows since the version that it was made for, either way around.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import lance
import pyarrow as pa
from lance.commit import CommitConflictError
from lance.fragment import FragmentMetadata
from lance.schema import LanceSchema

from saelake.store.errors import Conflict
from saelake.store.tables.changes import Change, Draft, Evolution

_WIDER = "saelake wider "  # before the name of a column, until it has that name alone
_ROWS = 8192

Convert = Callable[[pa.Array, pa.Field], pa.Array]


def evolve(dataset: "lance.LanceDataset", schema: pa.Schema, convert: Convert) -> Evolution:
    """What a snapshot must become to have these columns; its rows are rewritten where they change.

    `schema` has all columns of the snapshot, some of wider types, and maybe others after them.
    Raises what `convert` does.
    """
    old = dataset.schema
    wider = [f for f in schema if f.name in old.names and not f.type.equals(old.field(f.name).type)]
    new = [field for field in schema if field.name not in old.names]
    fragments: list[str] = []
    columns = dataset.lance_schema
    for fragment in dataset.get_fragments():
        metadata = fragment.metadata
        if wider or not fragments:  # a new column is null where no file has it
            metadata, columns = _rewritten(fragment, wider, new, convert)
            columns = _named(columns, [field.name for field in wider])
        fragments.append(json.dumps(metadata.to_json()))
    return Evolution(version=dataset.version, fragments=tuple(fragments), columns=columns)


def _rewritten(
    fragment: "lance.LanceFragment",
    wider: Sequence[pa.Field],
    new: Sequence[pa.Field],
    convert: Convert,
) -> tuple[FragmentMetadata, LanceSchema]:
    failures: list[Exception] = []
    read = [field.name for field in wider] or fragment.schema.names[:1]
    schema = pa.schema([*(field.with_name(_WIDER + field.name) for field in wider), *new])

    def rewrite(batch: pa.RecordBatch) -> pa.RecordBatch:
        try:
            columns = [convert(batch[field.name], field) for field in wider]
        except Exception as error:
            failures.append(error)  # Lance would report it as an error of its own
            raise
        nulls = [pa.nulls(batch.num_rows, field.type) for field in new]
        return pa.record_batch([*columns, *nulls], schema=schema)

    try:
        rewritten: tuple[FragmentMetadata, LanceSchema] = fragment.merge_columns(
            rewrite, columns=read, batch_size=_ROWS
        )
    except Exception:
        if failures:
            raise failures[0] from None
        raise
    return rewritten


def _named(columns: LanceSchema, wider: Sequence[str]) -> LanceSchema:
    """The columns with the wider ones in the places and under the names of those before them.

    Lance numbers the fields, and a file says which of them it has; a schema that is made anew has
    other numbers. So this one is taken apart as it is for pickling: into its metadata and the
    protobuf messages of its fields, parents first (`Field` of Lance's file.proto: 2 is the name).
    """
    make, (metadata, *messages) = columns.__reduce__()
    groups: dict[str, list[bytes]] = {}
    for field in columns.fields():
        n = _n_fields(field)
        groups[field.name()], messages = messages[:n], messages[n:]
    for name in wider:
        first, *within = groups.pop(_WIDER + name)
        first = first.replace(_name_in_message(_WIDER + name), _name_in_message(name), 1)
        groups[name] = [first, *within]  # in the place of the one before
    made: LanceSchema = make(metadata, *(message for group in groups.values() for message in group))
    return made


def _n_fields(field: Any) -> int:
    return 1 + sum(map(_n_fields, field.children()))


def _name_in_message(name: str) -> bytes:
    """Field 2 of a protobuf message, a string: its tag, its length as a varint, its bytes."""
    data, length = name.encode(), b""
    n = len(data)
    while n > 0x7F:
        length += bytes([n & 0x7F | 0x80])
        n >>= 7
    return b"\x12" + length + bytes([n]) + data


def numbered(draft: Draft, evolution: Evolution) -> Draft:
    """Files that were written as a table's first, with the numbers of an evolution's fields."""
    columns: LanceSchema = evolution.columns
    fresh = LanceSchema.from_pyarrow(columns.to_pyarrow())
    numbers = dict(_pairs(fresh.fields(), columns.fields()))
    fragments = []
    for written in draft.fragments:
        fragment = json.loads(written)
        for file in fragment["files"]:
            file["fields"] = [numbers.get(number, number) for number in file["fields"]]
        fragments.append(json.dumps(fragment))
    return Draft(tuple(fragments))


def _pairs(fresh: Iterable[Any], evolved: Iterable[Any]) -> Iterator[tuple[int, int]]:
    for one, other in zip(fresh, evolved, strict=True):
        yield one.id(), other.id()
        yield from _pairs(one.children(), other.children())


def check_columns(dataset: "lance.LanceDataset", change: Change) -> None:
    """Raise `Conflict` for rows that were written when columns were of other types.

    Lance would take the columns that they lack for null.
    """
    drafts = (change.add, *change.instead.values())
    written = {number for draft in drafts for number in draft.fields}
    columns = change.evolution.columns if change.evolution else dataset.lance_schema
    if not written <= set(_numbers(columns.fields())):
        raise Conflict(
            f"{dataset.uri}: its columns changed at the same time. Run the same command again.",
            uri=dataset.uri,
        )


def _numbers(fields: Iterable[Any]) -> Iterator[int]:
    for field in fields:
        yield field.id()
        yield from _numbers(field.children())


def commit_evolution(dataset: "lance.LanceDataset", evolution: Evolution, add: Draft) -> bool:
    """Whether an evolution, with rows that are added, was committed on top of its snapshot."""
    # No larger id was ever there: what takes fragments out of a table's end adds one after them.
    first = max(dataset.fragment_ids()) + 1
    fragments = [json.loads(fragment) for fragment in evolution.fragments]
    fragments += [{**json.loads(f), "id": first + i} for i, f in enumerate(add.fragments)]
    operation = lance.LanceOperation.Merge(
        [FragmentMetadata.from_json(json.dumps(fragment)) for fragment in fragments],
        evolution.columns,
        preserves_nullability=True,
    )
    try:
        lance.LanceDataset.commit(dataset, operation, read_version=evolution.version)
    except CommitConflictError:
        return False
    return True
