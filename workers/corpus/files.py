"""Files and folders, local or in an object store, and what formats they have by their names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa
from pyarrow import fs

from saelake.store.errors import CorpusError
from saelake.store.tables.files import filesystem_of
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


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file; `name` is its path from the folder that the source lies in."""

    name: str
    path: str
    filesystem: fs.FileSystem
    size_bytes: int

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
        return self.filesystem.open_input_stream(self.path, compression=compression)

    def random_access(self) -> pa.NativeFile:
        """The file, to be read in any order."""
        return self.filesystem.open_input_file(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is at a location: a file, or the files of a folder in order of their names."""

    name: str
    is_folder: bool
    files: Sequence[File]


def list_files(location: str) -> Listing:
    """The file or files at a location, without files and folders that begin with a dot.

    Raises `CorpusError` if there is nothing at the location.
    """
    with unreadable(location):
        filesystem, path = filesystem_of(location)
        info = filesystem.get_file_info(path)
        if info.type == fs.FileType.NotFound:
            raise CorpusError(
                f"There is no file or folder at {location}. Check the path; a data set of the "
                "Hugging Face Hub is written hf://owner/name.",
                location=location,
            )
        is_folder = info.type == fs.FileType.Directory
        selector = fs.FileSelector(info.path, recursive=True)
        found = filesystem.get_file_info(selector) if is_folder else [info]
    root = PurePosixPath(info.path).parent
    files = [_file(f, root, filesystem) for f in found if f.type == fs.FileType.File]
    visible = [f for f in files if not is_folder or not f.is_hidden]
    visible.sort(key=lambda file: file.name)
    return Listing(name=info.base_name, is_folder=is_folder, files=visible)


def _file(info: fs.FileInfo, root: PurePosixPath, filesystem: fs.FileSystem) -> File:
    name = PurePosixPath(info.path).relative_to(root).as_posix()
    return File(name=name, path=info.path, filesystem=filesystem, size_bytes=info.size or 0)
