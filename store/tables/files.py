"""Small files that are no tables, local or in an object store: each is there whole or not at all.

What cannot be read or written raises `AccessDenied`, `OutOfSpace`, `Unavailable`, or `NotFound` for
a bucket (see `storage`).
Names that begin with a dot are of files that are still being written; they are not listed.
"""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from pyarrow import fs

from saelake.store.errors import NotFound, Unavailable
from saelake.store.tables.failures import storage_errors, stored
from saelake.store.tables.objectstore import is_s3, s3_of


@stored
def write_bytes(uri: str, data: bytes | memoryview) -> None:
    """Put a file at `uri`, in place of any that is there; readers see the one or the other.

    Makes the folders on the way. Of two writers at once, one is the last.
    """
    filesystem, path = filesystem_of(uri)
    if isinstance(filesystem, fs.LocalFileSystem):
        _replace(Path(path), data)
        return
    with filesystem.open_output_stream(path) as stream:
        stream.write(data)


@stored
def read_bytes(uri: str) -> bytes | None:
    """The file at `uri`, or None where there is none."""
    filesystem, path = filesystem_of(uri)
    try:
        with filesystem.open_input_file(path) as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None


@stored
def parts_of(uri: str) -> Callable[[int, int], bytes]:
    """What reads so many bytes, from an offset, of the file at `uri`, by one request.

    Raises `NotFound`, and `Unavailable` for a file that ends before.
    """
    filesystem, path = filesystem_of(uri)
    try:
        file = filesystem.open_input_file(path)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {uri} any more.", uri=uri) from error

    def read(offset: int, n_bytes: int) -> bytes:
        with storage_errors(uri):
            data = bytes(file.read_at(n_bytes, offset))
        if len(data) < n_bytes:
            raise Unavailable(
                f"{uri} ends {n_bytes - len(data)} bytes too early. Run the same command again.",
                uri=uri,
            )
        return data

    return read


@stored
def list_files(folder: str) -> list[str]:
    """The addresses, sorted, of the files in a folder, without those of folders in it.

    A folder that is not there has no files.
    """
    filesystem, path = filesystem_of(folder)
    found = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True))
    names = sorted(info.base_name for info in found if info.type == fs.FileType.File)
    return [f"{folder.rstrip('/')}/{name}" for name in names if not name.startswith(".")]


@stored
def delete(uri: str) -> None:
    """Take the file at `uri` away, if there is one."""
    filesystem, path = filesystem_of(uri)
    try:
        filesystem.delete_file(path)
    except FileNotFoundError:
        return


@stored
def delete_folder(uri: str) -> None:
    """Take the folder at `uri` away with all that is in it."""
    filesystem, path = filesystem_of(uri)
    filesystem.delete_dir(path)


def local_path(uri: str) -> str | None:
    """The path of a file on a disk of this machine, and None of one in an object store."""
    if is_s3(uri):
        return None
    filesystem, path = filesystem_of(uri)
    return path if isinstance(filesystem, fs.LocalFileSystem) else None


def filesystem_of(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a local path or URI, and the path inside it."""
    if is_s3(uri):
        return s3_of(uri)
    if "://" in uri:
        filesystem, path = fs.FileSystem.from_uri(uri)
        return filesystem, str(path)
    return fs.LocalFileSystem(), str(Path(uri).expanduser().absolute())


def _replace(path: Path, data: bytes | memoryview) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
