"""From locations, or data in Python, to a source: which formats, and which files belong to it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from os import PathLike, fspath
from typing import Any

from saelake.store.errors import CorpusError, InvalidInput
from saelake.workers.corpus.columns import ID_COLUMNS
from saelake.workers.corpus.delimited import DelimitedPart
from saelake.workers.corpus.delimiters import delimiter_of
from saelake.workers.corpus.files import (
    FORMATS,
    PARQUET,
    TEXT,
    UTF8,
    File,
    Listing,
    encoding_of,
    list_files,
)
from saelake.workers.corpus.huggingface import (
    SCHEME,
    hub_part,
    is_saved_data_set,
    saved_part,
)
from saelake.workers.corpus.jsonlines import JsonLinesPart
from saelake.workers.corpus.parquet import ParquetPart
from saelake.workers.corpus.partitions import PartitionedPart, partition_of, partition_types
from saelake.workers.corpus.source import CorpusPart, CorpusSource
from saelake.workers.corpus.spooled import SpooledPart, spooled_input
from saelake.workers.corpus.tables import part_of
from saelake.workers.corpus.textfiles import TextFilesPart

CHOICES = (*dict.fromkeys(FORMATS.values()), TEXT)
DELIMITED = ("csv", "tsv")
STDIN = "-"
NAMES_SHOWN = 3

Location = str | PathLike[str]
# A path or several; a DataFrame, Arrow table or reader; or rows, as mappings.
Data = Any


def open_source(
    data: Data,
    *,
    text_column: str = "text",
    id_column: str | None = None,
    format: str | None = None,  # noqa: A002
    split: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    name: str | None = None,
) -> CorpusSource:
    """The documents at a location or several, or of data in Python, to be imported.

    A location is a file, a folder of files of one format, or a data set:

    - Parquet (.parquet, .pq), JSON lines (.jsonl, .ndjson, .json), CSV (.csv), TSV (.tsv, .tab);
      the text formats also compressed (.gz, .bz2, .zst). A folder with any Parquet is its Parquet.
    - A folder of text files: each is a document with its path as `id`, and `folder` and
      `extension` as metadata.
    - `hf://owner/name`, `hf://owner/name:split`, `hf://owner/name/config:split`, or a folder that
      `save_to_disk` wrote. Without a split it is `train`, or the only one. Class labels are read
      as their names.

    - `-` is standard input, whose `format` must be said.
    - Several locations, or a pattern with `*`, `**`, `?` or `[…]`: all that they name, in order.
    - Files in folders called `column=value` have that column: an integer where all its values
      are, else a string.
    - A pandas or polars DataFrame, an Arrow table or reader, or any object that exports an Arrow
      stream (`__arrow_c_stream__`); of a DataFrame in pandas also an index that has a name.
    - Rows as mappings, also from a generator: they are kept in a temporary file meanwhile.

    `format` (parquet, jsonl, csv, tsv, text) overrides what names say; in a folder with several
    formats it chooses the files, and `text` takes all of them. The `delimiter` of CSV is a comma,
    semicolon, tab or pipe: the one with which the first line has the text among several columns;
    it must be said where several do. The `encoding` of text formats is UTF-8 or any of Python's.

    Ids, which are text or numbers, come from `id_column`; when that is None from a column `id`,
    or else `doc_id`. Without one, or with `id_column=""`, a row's id is its place: the file's name
    and the row's number from 0, as in `reviews.csv:17`; of data in Python `name` stands for the
    file's. Such ids stay the same when the file is imported again, also after rows were appended
    to it; other rows under the same name are refused, and so are two files of one name.

    All other columns are metadata and keep their names and types (see `types.stored_type`). One
    that is called `doc`, `id` or `text` without being that gets an underscore at its end; dots and
    back-ticks become underscores, and no name becomes `unnamed` (`CorpusSource.renamed` says all).
    Types of JSON lines and CSV are inferred from the first 16 MiB, and become wider where later
    rows are. All files' columns are taken together; what one lacks is null there.

    Rows count from 0 in each file. Raises `CorpusError` when a location cannot be read or has no
    such columns, `MissingExtra` when a package is missing, `InvalidInput` for another format.
    """
    if format is not None and format not in CHOICES:
        raise InvalidInput(f"The format {format!r} is unknown: use {', '.join(CHOICES)}.")
    reading = _HowToRead(
        format=format,
        split=split,
        delimiter=delimiter_of(delimiter),
        encoding=encoding_of(encoding),
        text_column=text_column,
        id_column=id_column,
    )
    locations = locations_of(data)
    if locations is None:
        called = name or "rows"
        reading.check_of_files(called)
        parts: Sequence[CorpusPart] = [part_of(data, called)]
    else:
        called = source_name(locations)
        parts = list(chain.from_iterable(map(reading.parts, locations)))
    source = CorpusSource(called, parts, text_column=text_column, id_column=id_column)
    if source.generated_ids:
        _check_names(parts)
    return source


def check_locations(data: Data) -> None:
    """Raise `CorpusError` where nothing is at a location; those of the hub are not asked for."""
    for location in locations_of(data) or ():
        if location != STDIN and not location.startswith(SCHEME):
            list_files(location)


def locations_of(data: Data) -> Sequence[str] | None:
    """The locations, if it is one or several; None for data in Python. Raises `InvalidInput`."""
    if isinstance(data, str | PathLike):
        return [fspath(data)]
    if not isinstance(data, list | tuple) or any(isinstance(one, Mapping) for one in data):
        return None
    if not data:
        raise InvalidInput("There is nothing to import: the list is empty.")
    paths = [fspath(one) for one in data if isinstance(one, str | PathLike)]
    return paths if len(paths) == len(data) else None


def source_name(locations: Sequence[str]) -> str:
    """What people call a source of these locations."""
    shown = ", ".join("standard input" if one == STDIN else one for one in locations[:NAMES_SHOWN])
    rest = len(locations) - NAMES_SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown


def _check_names(parts: Iterable[CorpusPart]) -> None:
    """Refuse two files of one name, where ids are made of names."""
    counts = Counter(part.name for part in parts)
    for name, n in counts.items():
        if n > 1:
            raise CorpusError(
                f"{n} files are called {name}, and rows without ids are called by their file. "
                "Name a column of unique ids (--id-column), or import the folder that they lie in.",
                file=name,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _HowToRead:
    """How locations are read."""

    format: str | None
    split: str | None
    delimiter: str | None
    encoding: str
    text_column: str
    id_column: str | None

    def parts(self, location: str) -> Iterator[CorpusPart]:
        """What is at a location."""
        if location == STDIN:
            yield self._standard_input()
        elif location.startswith(SCHEME):
            self._check_plain(location)
            yield hub_part(location, self.split)
        else:
            for listing in list_files(location):
                yield from self._listed(listing, location)

    def _standard_input(self) -> CorpusPart:
        if self.format is None:
            raise InvalidInput(
                f"Standard input does not tell its format. Say it with --format: "
                f"{', '.join(CHOICES)}."
            )
        spool, file = spooled_input()
        (part,) = self._of_format(self.format, [file], file.name)
        return SpooledPart(part=part, spool=spool)

    def _listed(self, listing: Listing, location: str) -> Iterator[CorpusPart]:
        if self.format is None and listing.is_folder and is_saved_data_set(listing):
            self._check_plain(location)
            yield saved_part(location, self.split)
            return
        if self.split is not None:
            raise InvalidInput(
                f"{location} has no splits; leave split={self.split!r} out.", split=self.split
            )
        chosen = self.format or _format_of(listing)
        files = _files_of(listing, chosen)
        kinds = partition_types([partition_of(file.name) for file in files])
        for _, group in groupby(files, key=lambda file: tuple(partition_of(file.name).items())):
            some = list(group)
            partition = partition_of(some[0].name)
            for part in self._of_format(chosen, some, listing.name):
                whole = PartitionedPart(part=part, partition=partition, types=kinds)
                yield whole if partition else part

    def _of_format(self, chosen: str, files: Sequence[File], name: str) -> Sequence[CorpusPart]:
        if chosen not in DELIMITED and self.delimiter is not None:
            raise InvalidInput(f"{name} is read as {chosen}: leave --delimiter out.")
        if chosen == PARQUET:
            self._check_plain(name)
            return [ParquetPart(file) for file in files]
        files = [replace(file, encoding=self.encoding) for file in files]
        if chosen == TEXT:
            return [TextFilesPart(name=name, files=files)]
        ids = ID_COLUMNS if self.id_column is None else (self.id_column,)
        if chosen == "jsonl":
            return [JsonLinesPart(file, frozenset(ids), self.text_column) for file in files]
        delimiter = self.delimiter or ("\t" if chosen == "tsv" else None)
        as_text = frozenset({self.text_column, *filter(None, ids)})
        return [
            DelimitedPart(
                file=file, delimiter=delimiter, as_text=as_text, text_column=self.text_column
            )
            for file in files
        ]

    def check_of_files(self, name: str) -> None:
        """Raise `InvalidInput` for what is said of how files are read, where there are none."""
        said = {"format": self.format, "split": self.split, "delimiter": self.delimiter}
        given = [option for option, value in said.items() if value is not None]
        given += ["encoding"] if self.encoding != UTF8 else []
        if given:
            raise InvalidInput(
                f"{name} is data in Python, which has no {' or '.join(given)} as files have: leave "
                f"{', '.join(f'{option}=' for option in given)} out."
            )

    def _check_plain(self, name: str) -> None:
        if self.encoding != UTF8 or self.delimiter is not None:
            raise InvalidInput(f"{name} is no text format: leave --encoding and --delimiter out.")


def _format_of(listing: Listing) -> str:
    """The one format that the files' names stand for. Raises `CorpusError`."""
    found = Counter(file.format for file in listing.files)
    if not listing.is_folder and TEXT in found:
        raise CorpusError(
            f"The name {listing.name} does not tell its format. Say it with --format: "
            f"{', '.join(CHOICES)} (the whole file as one document).",
            location=listing.name,
        )
    if PARQUET in found:
        return PARQUET
    if len(found) != 1:
        counts = ", ".join(f"{n} {kind}" for kind, n in sorted(found.items())) or "no files"
        raise CorpusError(
            f"The folder {listing.name} must have files of one format, and has {counts}. Choose "
            f"one with --format: {', '.join(CHOICES)} (all files, each as one document).",
            location=listing.name,
        )
    return next(iter(found))


def _files_of(listing: Listing, format_: str) -> Sequence[File]:
    """The files of a folder that are read as this format; the file itself if it is one."""
    if not listing.is_folder or format_ == TEXT:
        return listing.files
    files = [file for file in listing.files if file.format == format_]
    if not files:
        raise CorpusError(
            f"The folder {listing.name} has no {format_} files.", location=listing.name
        )
    return files
