"""Vectors in JSON lines: one object a row, with a vector in it."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from saelake.store.errors import CorpusError
from saelake.store.format.schema import Unit
from saelake.workers.corpus.files import File
from saelake.workers.corpus.source import unreadable
from saelake.workers.corpus.spooled import Spool
from saelake.workers.outside.columns import AskedColumns
from saelake.workers.outside.keys import Keys
from saelake.workers.outside.mappings import ROWS, MappingReader
from saelake.workers.outside.rows import VectorRows

MOST_BYTES = 8 << 20  # of the lines that are read at once, or one longer line


@dataclass(slots=True, kw_only=True)
class JsonLinesVectors:
    """Vectors in files of JSON lines (a `VectorSource`)."""

    name: str
    files: list[File]
    asked: AskedColumns
    spool: Spool | None = None  # of a stream, which goes with this value
    width: int | None = None
    unit: Unit | None = None
    token_names: list[str] = field(default_factory=list)

    def rows(self, keys: Keys, unit: Unit) -> Iterator[VectorRows]:
        """See `VectorSource`. A line that is cut off is refused: what it had is not known."""
        for file in self.files:
            reader = MappingReader(file.name, self.asked, unit)
            for first, lines in _blocks(file):
                parsed = [_parsed(line, file.name, first + i) for i, line in enumerate(lines)]
                yield reader.read(parsed, keys, first, "line")


def _blocks(file: File) -> Iterator[tuple[int, list[bytes]]]:
    """Some lines at a time, and the number of the first, counted from 1. None is blank."""
    with unreadable(file.name), io.BufferedReader(file.stream()) as stream:
        number, n_bytes = 1, 0
        lines: list[bytes] = []
        for line in stream:
            is_blank = not line.strip()
            if lines and (is_blank or len(lines) == ROWS or n_bytes + len(line) > MOST_BYTES):
                yield number, lines
                number, n_bytes, lines = number + len(lines), 0, []
            if is_blank:
                number += 1
                continue
            lines.append(line)
            n_bytes += len(line)
        if lines:
            yield number, lines


def _parsed(line: bytes, name: str, number: int) -> Mapping[str, Any]:
    try:
        found = json.loads(line.decode("utf-8-sig"), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise CorpusError(f"{name}, line {number}: this is not UTF-8.", line=number) from error
    except _Twice as error:
        raise CorpusError(
            f"{name}, line {number}: {str(error)!r} is there twice. Give each row a key once.",
            line=number,
        ) from error
    except (ValueError, RecursionError) as error:
        reason = str(error).partition(":")[0]
        raise CorpusError(
            f"{name}, line {number}: this is not a whole JSON object ({reason}).", line=number
        ) from error
    if not isinstance(found, dict):
        raise CorpusError(
            f'{name}, line {number}: this is not a JSON object, as {{"id": …, "vector": {{…}}}}'
            ". An array of them is made JSON lines by `jq -c '.[]'`.",
            line=number,
        )
    return found


class _Twice(Exception):
    """A key that an object has twice, of which Python would keep the last."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Twice(key)
            seen.add(key)
    return found
