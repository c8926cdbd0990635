"""Hive partitions: folders called `column=value`, whose files have that column."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from urllib.parse import unquote

import pyarrow as pa

from saelake.store.errors import CorpusError
from saelake.workers.corpus.source import CorpusPart

NULL = "__HIVE_DEFAULT_PARTITION__"
_PARTITION = re.compile(r"(?P<column>[^=/]+)=(?P<value>[^/]*)")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")  # as no text with leading zeros is

Partition = Mapping[str, str | None]


def partition_of(name: str) -> Partition:
    """The columns that the folders of a file's name stand for, outermost first."""
    folders = PurePosixPath(name).parts[:-1]
    found = filter(None, map(_PARTITION.fullmatch, folders))
    pairs = {unquote(match["column"]): unquote(match["value"]) for match in found}
    return {column: None if value == NULL else value for column, value in pairs.items()}


def name_in_partitions(path: str) -> str:
    """A file's name, with the folders right above it that are partitions."""
    *folders, name = PurePosixPath(path).parts
    kept: list[str] = []
    while folders and _PARTITION.fullmatch(folders[-1]):
        kept.insert(0, folders.pop())
    return PurePosixPath(*kept, name).as_posix()


def partition_types(partitions: Sequence[Partition]) -> dict[str, pa.DataType]:
    """The columns of all partitions: integers where all values are, else strings."""
    values: dict[str, list[str | None]] = {}
    for partition in partitions:
        for column, value in partition.items():
            values.setdefault(column, []).append(value)
    return {
        column: pa.int64() if all(map(_is_integer, found)) else pa.string()
        for column, found in values.items()
    }


def _is_integer(value: str | None) -> bool:
    return value is None or _INTEGER.fullmatch(value) is not None


@dataclass(frozen=True, kw_only=True)
class PartitionedPart:
    """A part with the columns of its partition, after its own."""

    part: CorpusPart
    partition: Partition
    types: Mapping[str, pa.DataType]

    @property
    def name(self) -> str:
        """The part's name."""
        return self.part.name

    def schema(self) -> pa.Schema:
        """The part's columns, and those of its partition that it lacks."""
        new = [column for column in self.partition if column not in self._own.names]
        return pa.schema([*self._own, *((column, self.types[column]) for column in new)])

    def batches(self, _: pa.Schema, /) -> Iterator[pa.RecordBatch]:
        """The part's rows. Raises `CorpusError` where one contradicts its folder."""
        for batch in self.part.batches(self._own):
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            for column, value in self.partition.items():
                if column in columns:
                    self._check(columns[column], column, value)
                else:
                    stored = pa.scalar(value, pa.string()).cast(self.types[column])
                    columns[column] = pa.repeat(stored, batch.num_rows)
            yield pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    @cached_property
    def _own(self) -> pa.Schema:
        return self.part.schema()

    def _check(self, values: pa.Array, column: str, expected: str | None) -> None:
        found = values.cast(pa.string()).unique().to_pylist()
        if any(value != expected for value in found):
            other = next(value for value in found if value != expected)
            raise CorpusError(
                f"{self.name} has {column!r} as a column, with {other!r}, and lies in a folder "
                f"that says {expected!r}. Rename one of them.",
                file=self.name,
                column=column,
            )
