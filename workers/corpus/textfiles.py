"""Text files: each is one document."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa

from saelake.store.errors import CorpusError
from saelake.workers.corpus.files import File
from saelake.workers.corpus.source import BATCH_BYTES, BATCH_ROWS, unreadable

MAX_TEXT_BYTES = 1 << 30
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.binary()),
        ("folder", pa.string()),
        ("extension", pa.string()),
    ]
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFilesPart:
    """Text files, all below one folder.

    A document's `id` is its path from the folder, `folder` what of that is before the file's name
    ("" for the folder itself), and `extension` what follows the last dot of the name.
    """

    name: str
    files: Sequence[File]

    def schema(self) -> pa.Schema:
        """id, text, folder and extension."""
        return _SCHEMA

    def batches(self, _: pa.Schema, /) -> Iterator[pa.RecordBatch]:
        """The files in order of their names."""
        rows: list[tuple[str, bytes, str, str]] = []
        size_bytes = 0
        for file in self.files:
            if rows and (len(rows) == BATCH_ROWS or size_bytes + file.size_bytes > BATCH_BYTES):
                yield _batch(rows)
                rows, size_bytes = [], 0
            rows.append(_row(file))
            size_bytes += len(rows[-1][1])
        if rows:
            yield _batch(rows)


def _batch(rows: Sequence[tuple[str, bytes, str, str]]) -> pa.RecordBatch:
    return pa.record_batch([list(column) for column in zip(*rows, strict=True)], schema=_SCHEMA)


def _row(file: File) -> tuple[str, bytes, str, str]:
    path = PurePosixPath(*PurePosixPath(file.name).parts[1:] or (file.name,))
    folder = "" if path.parent == PurePosixPath() else path.parent.as_posix()
    return path.as_posix(), _content(file), folder, path.suffix.removeprefix(".")


def _content(file: File) -> bytes:
    with unreadable(file.name), file.stream() as stream:
        content: bytes = stream.read(MAX_TEXT_BYTES + 1)
    if len(content) > MAX_TEXT_BYTES:
        raise CorpusError(
            f"{file.name} is longer than {MAX_TEXT_BYTES >> 30} GiB, which is too long for one "
            "document. Split it, or write its documents as JSON lines.",
            file=file.name,
        )
    return content.removeprefix(_BYTE_ORDER_MARK)
