"""Columns of a table that come, change or go by themselves: no other column is written anew.

A column's values for some fragments are one file more of each, and the column is taken out of the
files that had it before (Lance calls field -2 what a file has and nobody reads). A file of which
nothing is read any more is not of the fragment from then on. Measured with pylance 14: `Merge`
takes all this with a schema by one commit, and conflicts with every other commit of rows since.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import lance
import pyarrow as pa
from lance.schema import LanceSchema

from saelake.store.tables.changes import Draft, Evolution
from saelake.store.tables.evolution import evolve

_GONE = -2  # the number of a field of a file that is not read any more


def put_columns(
    dataset: "lance.LanceDataset",
    schema: pa.Schema,
    names: Iterable[str],
    written: Mapping[int, Draft],
) -> Evolution:
    """What a snapshot becomes with other values in the columns `names` of some fragments.

    `schema` has its columns, then those that are new, and the metadata that it is to have.
    `written` has for a fragment's id a draft of one fragment with its rows, and just these columns
    in this order, none of which is nested. Where a new column is not written it is null.
    """
    columns, before = dataset.lance_schema, [_told(f) for f in dataset.get_fragments()]
    if len(schema) > len(dataset.schema):
        evolved = evolve(dataset, schema, lambda column, _: column)
        columns, before = evolved.columns, [json.loads(f) for f in evolved.fragments]
    numbered = {field.name(): field.id() for field in columns.fields()}
    numbers = [numbered[name] for name in names]
    fragments = [_put(fragment, numbers, written.get(fragment["id"])) for fragment in before]
    return _evolution(dataset, fragments, _described(columns, schema))


def without_columns(
    dataset: "lance.LanceDataset", names: Iterable[str], schema: pa.Schema
) -> Evolution:
    """What a snapshot becomes without these columns; `schema` has the metadata it is to have."""
    gone = set(names)
    numbers = [
        number
        for field in dataset.lance_schema.fields()
        if field.name() in gone
        for number in field_numbers(field)
    ]
    fragments = [_without(_told(fragment), numbers) for fragment in dataset.get_fragments()]
    return _evolution(dataset, fragments, _described(dataset.lance_schema, schema, gone))


def files_with(dataset: "lance.LanceDataset") -> dict[str, list[tuple[int, str]]]:
    """For each column the fragments' ids, and which file of each has it; "" where it is null."""
    columns = {f.name(): set(field_numbers(f)) for f in dataset.lance_schema.fields()}
    found: dict[str, list[tuple[int, str]]] = {name: [] for name in columns}
    for fragment in dataset.get_fragments():
        files = [(str(file.path), set(file.fields)) for file in fragment.metadata.files]
        for name, numbers in columns.items():
            having = (path for path, fields in files if fields & numbers)
            found[name].append((fragment.fragment_id, next(having, "")))
    return found


def column_numbers(dataset: "lance.LanceDataset") -> dict[str, tuple[int, ...]]:
    """The numbers of each column's fields, by which files name it."""
    return {f.name(): tuple(field_numbers(f)) for f in dataset.lance_schema.fields()}


def field_numbers(field: Any) -> Iterator[int]:
    """The number of a field, and those of the fields within it."""
    yield field.id()
    for child in field.children():
        yield from field_numbers(child)


def _told(fragment: "lance.LanceFragment") -> dict[str, Any]:
    told: dict[str, Any] = fragment.metadata.to_json()
    return told


def _put(fragment: dict[str, Any], numbers: list[int], draft: Draft | None) -> dict[str, Any]:
    if draft is None:
        return fragment
    (written,) = map(json.loads, draft.fragments)
    (file,) = written["files"]
    rest = _without(fragment, numbers)
    return {**rest, "files": [*rest["files"], {**file, "fields": numbers}]}


def _without(fragment: dict[str, Any], numbers: list[int]) -> dict[str, Any]:
    """The fragment, of whose files none has these fields; the first stays, by which it is known."""
    files = [
        {**file, "fields": [_GONE if n in numbers else n for n in file["fields"]]}
        for file in fragment["files"]
    ]
    return {**fragment, "files": [f for f in files if f is files[0] or set(f["fields"]) != {_GONE}]}


def _described(columns: LanceSchema, schema: pa.Schema, without: Iterable[str] = ()) -> LanceSchema:
    """The columns with a schema's metadata, some left out.

    As it is taken apart for pickling: the metadata as JSON with lists of bytes, and a message of
    each field, parents first (see `evolution`).
    """
    make, (_, *messages) = columns.__reduce__()
    gone, kept = set(without), []
    for field in columns.fields():
        n = len(list(field_numbers(field)))
        if field.name() not in gone:
            kept += messages[:n]
        messages = messages[n:]
    said = {key.decode(): list(value) for key, value in (schema.metadata or {}).items()}
    made: LanceSchema = make(json.dumps(said), *kept)
    return made


def _evolution(
    dataset: "lance.LanceDataset", fragments: Iterable[Mapping[str, Any]], columns: LanceSchema
) -> Evolution:
    return Evolution(
        version=dataset.version, fragments=tuple(map(json.dumps, fragments)), columns=columns
    )
