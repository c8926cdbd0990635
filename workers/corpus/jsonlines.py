"""JSON lines: one object a line."""

import io
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json import dumps as json_text
from json import loads as read_json
from typing import NamedTuple

import pyarrow as pa
from pyarrow import json, types

from saelake.store.documents.screening import CUT_TEXT
from saelake.store.errors import CorpusError
from saelake.store.format.widening import widened
from saelake.workers.corpus.files import File
from saelake.workers.corpus.source import unreadable

BLOCK_BYTES = 16 << 20  # of which types are inferred
MAX_LINE_BYTES = 1 << 30
REMEDY = "Give every key one type in the whole file, or convert the file to Parquet."
BIG_ID = pa.decimal128(38, 0)  # of which the parser reads numbers digit for digit
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# A pair of surrogates, one that is alone (the group), or any other escape.
_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class Lines(NamedTuple):
    """Whole lines of a file, and the number of the first one, counted from 1."""

    first_line: int
    content: bytes


@dataclass(frozen=True, slots=True)
class JsonLinesPart:
    """One file of JSON lines. Strings stay strings, also those that look like dates.

    Numbers of the columns `ids` that are beyond 64 bits keep all digits. A lone surrogate, which
    no text can have, becomes bytes that are not UTF-8: an import leaves such rows out. So does the
    last line of several, if it is cut off: of an object, and without its end.
    """

    file: File
    ids: frozenset[str] = frozenset()
    text_column: str = "text"

    @property
    def name(self) -> str:
        """The file's name."""
        return self.file.name

    def schema(self) -> pa.Schema:
        """The keys of the objects in the first 16 MiB, with the types of their values."""
        with unreadable(self.name):
            first = next(self._blocks(), None)
        if first is None or not first.content.strip():
            return pa.schema([])
        if first.content.lstrip().startswith(b"["):
            raise CorpusError(
                f"{self.name} is one JSON array, not JSON lines. Convert it, for instance with "
                f"`jq -c '.[]' {self.name}`.",
                file=self.name,
            )
        try:
            return self._read(first.content, pa.schema([])).schema
        except pa.ArrowInvalid as error:
            raise self._explained(first, pa.schema([]), error) from error

    def batches(self, schema: pa.Schema, /) -> Iterator[pa.RecordBatch]:
        """The objects, with the types of `schema` where these fit, and others where they do not."""
        with unreadable(self.name):
            for block in self._blocks():
                yield from self._table(block, schema).to_batches()

    def _table(self, block: Lines, schema: pa.Schema) -> pa.Table:
        try:
            return self._read(block.content, schema)
        except pa.ArrowInvalid as error:
            try:
                found = self._read(block.content, pa.schema([]))
            except pa.ArrowInvalid:
                raise self._explained(block, schema, error) from error
            before, here = pa.struct(list(schema)), pa.struct(list(found.schema))
            if widened(before, here) is None:
                raise self._explained(block, schema, error) from error
            return found

    def _read(self, content: bytes, schema: pa.Schema) -> pa.Table:
        """The objects with these types, and those that other keys show; dates stay text."""
        try:
            table = _parse(content, schema)
        except pa.ArrowInvalid as error:
            mended = _without_lone_surrogates(content) if "surrogate" in str(error) else content
            if mended == content:
                raise
            return self._read(mended, schema)
        texts = _texts(table.schema)
        for column in self.ids & set(texts.names):
            if types.is_floating(texts.field(column).type):
                texts = self._with_digits(content, texts, column)
        return table if texts.equals(table.schema) else _parse(content, texts)

    def _with_digits(self, content: bytes, schema: pa.Schema, column: str) -> pa.Schema:
        """The schema with integers of many digits in a column, if it has no other numbers."""
        at = schema.get_field_index(column)
        digits = schema.set(at, pa.field(column, BIG_ID))
        try:
            _parse(content, digits)
        except pa.ArrowInvalid:
            return schema
        return digits

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
                yield Lines(line, self._whole(content))
                line += content.count(b"\n")

    def _whole(self, content: bytes) -> bytes:
        """The lines; in place of a last one that is cut off a row that says so."""
        before, last = content[: (end := content.rfind(b"\n") + 1)], content[end:]
        if not before.strip() or not _is_cut(last):
            return content
        key = json_text(self.text_column).encode()
        return before + b"{" + key + b': "' + CUT_TEXT + b'"}'

    def _explained(self, block: Lines, schema: pa.Schema, error: pa.ArrowInvalid) -> CorpusError:
        """Which line of a block cannot be read, and why."""
        lines = _without_lone_surrogates(block.content).splitlines(keepends=True)
        bad = bisect_left(range(len(lines)), x=True, key=lambda i: _fails(lines[: i + 1], schema))
        number = block.first_line + bad
        if bad == len(lines):
            return self._error(number, f"{_reason(error)}. {REMEDY}")
        try:
            found = _infer(lines[bad])
        except pa.ArrowInvalid as own:
            return self._error(number, f"this is not a JSON object: {_reason(own)}{self._hint()}")
        before = schema if schema.names else _texts(_infer(b"".join(lines[:bad])))
        difference = _difference("", pa.struct(before), pa.struct(found)) or _reason(error)
        return self._error(number, f"{difference}. {REMEDY}")

    def _hint(self) -> str:
        """What to do where the file's first bytes are of another encoding."""
        with self.file.stream() as stream:
            beginning = bytes(stream.read(4))
        wide = b"\0" in beginning or beginning[:2] in (b"\xff\xfe", b"\xfe\xff")
        return ". Is it UTF-16? Then say so with --encoding utf-16" if wide else ""

    def _error(self, line: int, problem: str) -> CorpusError:
        return CorpusError(f"{self.name}, line {line}: {problem}", file=self.name, line=line)


def _reason(error: pa.ArrowInvalid) -> str:
    """What pyarrow says of a line, without its number, which counts from where it was parsed."""
    return re.sub(r"^JSON parse error: |\.? in row \d+$", "", str(error))


def _is_cut(line: bytes) -> bool:
    """Whether a line begins an object, and is none."""
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        read_json(line.decode(errors="replace"))
    except ValueError:
        return True
    return False


def _parse(content: bytes, schema: pa.Schema) -> pa.Table:
    """The objects with these types; of other keys, and those known as null, types are inferred."""
    known = pa.schema([field for field in schema if not _has_null(field.type)])
    if not content.strip():
        return known.empty_table()
    return json.read_json(
        pa.BufferReader(content),
        read_options=json.ReadOptions(use_threads=False, block_size=len(content) + 1),
        parse_options=json.ParseOptions(explicit_schema=known, unexpected_field_behavior="infer"),
    )


def _has_null(kind: pa.DataType) -> bool:
    nested = (kind.field(i).type for i in range(kind.num_fields))
    return types.is_null(kind) or any(map(_has_null, nested))


def _without_lone_surrogates(content: bytes) -> bytes:
    """The lines with the bytes of lone surrogates, which are not UTF-8, in place of escapes."""

    def mended(escape: re.Match[bytes]) -> bytes:
        if escape[1] is None:
            return escape[0]
        return chr(int(escape[1], 16)).encode(errors="surrogatepass")

    return _ESCAPES.sub(mended, content)


def _infer(content: bytes) -> pa.Schema:
    return _parse(content, pa.schema([])).schema


def _fails(lines: Sequence[bytes], schema: pa.Schema) -> bool:
    try:
        _parse(b"".join(lines), schema)
    except pa.ArrowInvalid:
        return True
    return False


def _texts(schema: pa.Schema) -> pa.Schema:
    """The schema with strings where pyarrow saw dates."""
    return pa.schema([(field.name, _text(field.type)) for field in schema])


def _text(kind: pa.DataType) -> pa.DataType:
    if types.is_timestamp(kind):
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
                continue
            if difference := _difference(key, before.field(index).type, field.type):
                return difference
        return None
    if types.is_list(before) and types.is_list(found):
        return _difference(f"{path}[]", before.value_type, found.value_type)
    found = pa.string() if types.is_timestamp(found) else found
    if widened(before, found) is not None:
        return None
    return f"the key {path!r} is {_kind(found)} here, and {_kind(before)} in the lines before"


def _kind(kind: pa.DataType) -> str:
    names = {"struct": "an object", "list": "a list"}
    return next((name for start, name in names.items() if str(kind).startswith(start)), str(kind))
