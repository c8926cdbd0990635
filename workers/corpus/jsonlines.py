"""JSON lines: one object a line."""

import io
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
from pyarrow import json, types

from saelake.store.errors import CorpusError
from saelake.workers.corpus.files import File
from saelake.workers.corpus.source import unreadable

BLOCK_BYTES = 16 << 20  # types are inferred from the first block
MAX_LINE_BYTES = 1 << 30
REMEDY = (
    f"Give every key one type in the whole file, with all keys in its first "
    f"{BLOCK_BYTES >> 20} MiB, or convert the file to Parquet."
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Lines(NamedTuple):
    """Whole lines of a file, and the number of the first one, counted from 1."""

    first_line: int
    content: bytes


@dataclass(frozen=True, slots=True)
class JsonLinesPart:
    """One file of JSON lines. Strings stay strings, also those that look like dates."""

    file: File

    @property
    def name(self) -> str:
        """The file's name."""
        return self.file.name

    def schema(self) -> pa.Schema:
        """The keys of the objects in the first 16 MiB, with the types of their values."""
        with unreadable(self.name):
            first = next(self._blocks(), None)
        if first is None or not first.content.strip():
            raise CorpusError(f"{self.name} is empty.", file=self.name)
        if first.content.lstrip().startswith(b"["):
            raise CorpusError(
                f"{self.name} is one JSON array, not JSON lines. Convert it, for instance with "
                f"`jq -c '.[]' {self.name}`.",
                file=self.name,
            )
        try:
            return _texts(_infer(first.content))
        except pa.ArrowInvalid as error:
            raise self._explained(first, None, error) from error

    def batches(self, schema: pa.Schema, /) -> Iterator[pa.RecordBatch]:
        """The objects, with the types of `schema`."""
        with unreadable(self.name):
            for block in self._blocks():
                try:
                    batches = _parse(block.content, schema).to_batches()
                except pa.ArrowInvalid as error:
                    raise self._explained(block, schema, error) from error
                yield from batches

    def _blocks(self) -> Iterator[Lines]:
        """The file in blocks of whole lines of about 16 MiB, or one longer line."""
        line = 1
        with io.BufferedReader(self.file.stream()) as stream:
            while content := stream.read(BLOCK_BYTES):
                content += stream.readline(MAX_LINE_BYTES)
                if line == 1:
                    content = content.removeprefix(_BYTE_ORDER_MARK)
                if len(content) > MAX_LINE_BYTES:
                    raise CorpusError(
                        f"{self.name} has a line longer than {MAX_LINE_BYTES >> 30} GiB at line "
                        f"{line} or after.",
                        file=self.name,
                    )
                yield Lines(line, content)
                line += content.count(b"\n")

    def _explained(
        self, block: Lines, schema: pa.Schema | None, error: pa.ArrowInvalid
    ) -> CorpusError:
        """Which line of a block cannot be read, and why."""
        lines = block.content.splitlines(keepends=True)
        bad = bisect_left(range(len(lines)), x=True, key=lambda i: _fails(lines[: i + 1], schema))
        number = block.first_line + bad
        try:
            found = _infer(lines[bad])
        except pa.ArrowInvalid as own:
            return self._error(number, f"this is not a JSON object: {_reason(own)}")
        before = schema or _texts(_infer(b"".join(lines[:bad])))
        difference = _difference("", pa.struct(before), pa.struct(found)) or _reason(error)
        return self._error(number, f"{difference}. {REMEDY}")

    def _error(self, line: int, problem: str) -> CorpusError:
        return CorpusError(f"{self.name}, line {line}: {problem}", file=self.name, line=line)


def _reason(error: pa.ArrowInvalid) -> str:
    """What pyarrow says of a line, without its number, which counts from where it was parsed."""
    return re.sub(r"^JSON parse error: |\.? in row \d+$", "", str(error))


def _parse(content: bytes, schema: pa.Schema | None) -> pa.Table:
    if not content.strip():
        return (schema or pa.schema([])).empty_table()
    return json.read_json(
        pa.BufferReader(content),
        read_options=json.ReadOptions(use_threads=False, block_size=len(content) + 1),
        parse_options=json.ParseOptions(
            explicit_schema=schema,
            unexpected_field_behavior="infer" if schema is None else "error",
        ),
    )


def _infer(content: bytes) -> pa.Schema:
    return _parse(content, None).schema


def _fails(lines: Sequence[bytes], schema: pa.Schema | None) -> bool:
    try:
        _parse(b"".join(lines), schema)
    except pa.ArrowInvalid:
        return True
    return False


def _texts(schema: pa.Schema) -> pa.Schema:
    """The schema with strings where pyarrow saw dates, or nothing but nulls."""
    return pa.schema([(field.name, _text(field.type)) for field in schema])


def _text(kind: pa.DataType) -> pa.DataType:
    if types.is_timestamp(kind) or types.is_null(kind):
        return pa.string()
    if types.is_struct(kind):
        return pa.struct([(field.name, _text(field.type)) for field in kind])
    if types.is_list(kind):
        return pa.list_(_text(kind.value_type))
    return kind


def _difference(path: str, before: pa.DataType, found: pa.DataType) -> str | None:
    """The first key whose type in one line is not the type before."""
    if types.is_struct(before) and types.is_struct(found):
        for field in found:
            key = f"{path}.{field.name}" if path else field.name
            index = before.get_field_index(field.name)
            if index < 0:
                return f"the key {key!r} is not in the lines before"
            if difference := _difference(key, before.field(index).type, field.type):
                return difference
        return None
    if types.is_list(before) and types.is_list(found):
        return _difference(f"{path}[]", before.value_type, found.value_type)
    found = pa.string() if types.is_timestamp(found) else found
    widens = types.is_integer(found) and types.is_floating(before)
    if found == before or widens or types.is_null(found):
        return None
    return f"the key {path!r} is {_kind(found)} here, and {_kind(before)} in the lines before"


def _kind(kind: pa.DataType) -> str:
    names = {"struct": "an object", "list": "a list"}
    return next((name for start, name in names.items() if str(kind).startswith(start)), str(kind))
