"""From a location to a source: which format it has, and which files belong to it."""

from collections import Counter
from collections.abc import Sequence

from saelake.store.errors import CorpusError, InvalidInput
from saelake.workers.corpus.columns import ID_COLUMNS
from saelake.workers.corpus.delimited import DelimitedPart
from saelake.workers.corpus.files import FORMATS, PARQUET, TEXT, File, Listing, list_files
from saelake.workers.corpus.huggingface import (
    SCHEME,
    hub_part,
    is_saved_data_set,
    saved_part,
)
from saelake.workers.corpus.jsonlines import JsonLinesPart
from saelake.workers.corpus.parquet import ParquetPart
from saelake.workers.corpus.source import CorpusPart, CorpusSource
from saelake.workers.corpus.textfiles import TextFilesPart

CHOICES = (*dict.fromkeys(FORMATS.values()), TEXT)


def open_source(
    location: str,
    *,
    text_column: str = "text",
    id_column: str | None = None,
    format: str | None = None,  # noqa: A002
    split: str | None = None,
) -> CorpusSource:
    """The documents at a location, to be imported.

    A location is a file, a folder of files of one format, or a data set:

    - Parquet (.parquet, .pq), JSON lines (.jsonl, .ndjson, .json), CSV (.csv), TSV (.tsv, .tab);
      the text formats also compressed (.gz, .bz2, .zst). A folder with any Parquet is its Parquet.
    - A folder of text files: each is a document with its path as `id`, and `folder` and
      `extension` as metadata.
    - `hf://owner/name`, `hf://owner/name:split`, `hf://owner/name/config:split`, or a folder that
      `save_to_disk` wrote. Without a split it is `train`, or the only one. Class labels are read
      as their names.

    `format` (parquet, jsonl, csv, tsv, text) overrides what names say; in a folder with several
    formats it chooses the files, and `text` takes all of them.

    Ids, which are text or integers, come from `id_column`; when that is None from a column `id`,
    or else `doc_id`. Without one, or with `id_column=""`, a row's id is its place: the file's name
    and the row's number from 0, as in `reviews.csv:17`. Such ids stay the same when the file is
    imported again, also after rows were appended to it.

    All other columns are metadata and keep their names and types (see `types.stored_type`). One
    that is called `doc`, `id` or `text` without being that gets an underscore at its end; dots and
    back-ticks become underscores, and no name becomes `unnamed` (`CorpusSource.renamed` says all).
    Types of JSON lines and CSV are inferred from the first 16 MiB.

    Rows count from 0 in each file. Raises `CorpusError` when the location cannot be read or has no
    such columns, `MissingExtra` when a package is missing, `InvalidInput` for another format.
    """
    if format is not None and format not in CHOICES:
        raise InvalidInput(f"The format {format!r} is unknown: use {', '.join(CHOICES)}.")
    parts = _parts(location, format, split, _columns_of_text(text_column, id_column))
    return CorpusSource(location, parts, text_column=text_column, id_column=id_column)


def _parts(
    location: str, format_: str | None, split: str | None, as_text: frozenset[str]
) -> Sequence[CorpusPart]:
    if location.startswith(SCHEME):
        return [hub_part(location, split)]
    listing = list_files(location)
    if format_ is None and is_saved_data_set(listing):
        return [saved_part(location, split)]
    if split is not None:
        raise InvalidInput(f"{location} has no splits; leave split={split!r} out.", split=split)
    chosen = format_ or _format_of(listing)
    files = _files_of(listing, chosen)
    match chosen:
        case "parquet":
            return [ParquetPart(file) for file in files]
        case "jsonl":
            return [JsonLinesPart(file) for file in files]
        case "csv":
            return [DelimitedPart(file=f, delimiter=",", as_text=as_text) for f in files]
        case "tsv":
            return [DelimitedPart(file=f, delimiter="\t", as_text=as_text) for f in files]
    return [TextFilesPart(name=listing.name, files=files)]


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


def _columns_of_text(text_column: str, id_column: str | None) -> frozenset[str]:
    """The columns that are texts even where a CSV file has only numbers in them."""
    ids = ID_COLUMNS if id_column is None else (id_column,)
    return frozenset({text_column, *filter(None, ids)})
