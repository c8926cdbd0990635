"""Files and folders, local or in an object store, and what formats they have by their names."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

import pyarrow as pa
from pyarrow import fs

from saelake.store.errors import CorpusError, InvalidInput
from saelake.store.tables.files import filesystem_of
from saelake.workers.corpus.partitions import name_in_partitions
from saelake.workers.corpus.source import unreadable

FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
}
TEXT = "text"
PARQUET = "parquet"
_COMPRESSION = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}


UTF8 = "utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file; `name` is its path from the folder that the source lies in.

    `encoding` is what its text is read as: UTF-8 as it is, any other is made UTF-8.
    """

    name: str
    path: str
    filesystem: fs.FileSystem
    size_bytes: int
    encoding: str = UTF8

    @property
    def format(self) -> str:
        """The format that the name stands for; `text` when it stands for no other."""
        path = PurePosixPath(self.name.lower())
        if path.suffix in _COMPRESSION:
            path = path.with_suffix("")
        return FORMATS.get(path.suffix, TEXT)

    @property
    def is_hidden(self) -> bool:
        """Whether it, or a folder on its way from the source's folder, begins with a dot."""
        return any(part.startswith(".") for part in PurePosixPath(self.name).parts[1:])

    def stream(self) -> pa.NativeFile:
        """The content from its beginning, decompressed if the name says that it is compressed."""
        compression = _COMPRESSION.get(PurePosixPath(self.name.lower()).suffix)
        stream = self.filesystem.open_input_stream(self.path, compression=compression)
        if self.encoding == UTF8:
            return stream
        return pa.transcoding_input_stream(stream, self.encoding, UTF8)

    def random_access(self) -> pa.NativeFile:
        """The file, to be read in any order."""
        return self.filesystem.open_input_file(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is at a location: a file, or the files of a folder in order of their names."""

    name: str
    is_folder: bool
    files: Sequence[File]


def encoding_of(asked: str | None) -> str:
    """The name that Python gives an encoding; UTF-8 for None. Raises `InvalidInput`."""
    if asked is None:
        return UTF8
    try:
        found = codecs.lookup(asked)
        "".encode(found.name)  # not one of bytes, as base64 is
    except LookupError as error:
        raise InvalidInput(
            f"The encoding {asked!r} is unknown: use utf-8, latin-1, cp1252, utf-16, gb18030, "
            "shift_jis, …",
            encoding=asked,
        ) from error
    return UTF8 if found.name in (UTF8, "utf-8-sig") else found.name


def list_files(location: str) -> Sequence[Listing]:
    """What is at a location, or at all that match it where it has `*`, `?` or `[…]`.

    A folder is without files and folders that begin with a dot; a file has the folders right
    above it in its name that are partitions (`column=value`). Raises `CorpusError` if there is
    nothing at the location.
    """
    with unreadable(location):
        filesystem, path = filesystem_of(location)
        info = filesystem.get_file_info(path)
        if info.type != fs.FileType.NotFound:
            return [_listing(info, filesystem)]
        matching = _matching(filesystem, path) if is_pattern(path) else []
        if not matching:
            raise CorpusError(
                f"There is no file or folder at {location}. Check the path; a data set of the "
                "Hugging Face Hub is written hf://owner/name.",
                location=location,
            )
        return [_listing(info, filesystem) for info in matching]


def is_pattern(location: str) -> bool:
    """Whether a location has `*`, `?` or `[`."""
    return any(character in location for character in "*?[")


def _listing(info: fs.FileInfo, filesystem: fs.FileSystem) -> Listing:
    if info.type == fs.FileType.File:
        name = name_in_partitions(info.path)
        size = info.size or 0
        file = File(name=name, path=info.path, filesystem=filesystem, size_bytes=size)
        return Listing(name=info.base_name, is_folder=False, files=[file])
    found = filesystem.get_file_info(fs.FileSelector(info.path, recursive=True))
    root = PurePosixPath(info.path).parent
    files = [_file(f, root, filesystem) for f in found if f.type == fs.FileType.File]
    visible = sorted((f for f in files if not f.is_hidden), key=lambda file: file.name)
    return Listing(name=info.base_name, is_folder=True, files=visible)


def _matching(filesystem: fs.FileSystem, pattern: str) -> list[fs.FileInfo]:
    """The files and folders that match, in order of their paths; `**` is any number of folders."""
    parts = PurePosixPath(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if is_pattern(part))
    root, wanted = PurePosixPath(*parts[:fixed]).as_posix(), parts[fixed:]
    recursive = len(wanted) > 1
    selector = fs.FileSelector(root, recursive=recursive, allow_not_found=True)
    found = [
        info
        for info in filesystem.get_file_info(selector)
        if _matches(PurePosixPath(info.path).relative_to(PurePosixPath(root)).parts, wanted)
    ]
    return sorted(found, key=lambda info: info.path)


def _matches(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    if not wanted:
        return not parts
    first, *rest = wanted
    if first == "**":
        return any(_matches(parts[i:], rest) for i in range(len(parts) + 1))
    hidden = bool(parts) and parts[0].startswith(".") and not first.startswith(".")
    return bool(parts) and not hidden and fnmatchcase(parts[0], first) and _matches(parts[1:], rest)


def _file(info: fs.FileInfo, root: PurePosixPath, filesystem: fs.FileSystem) -> File:
    name = PurePosixPath(info.path).relative_to(root).as_posix()
    return File(name=name, path=info.path, filesystem=filesystem, size_bytes=info.size or 0)
