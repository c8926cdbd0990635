"""Small files of a lake that are no tables: whole when they are seen, or not there."""

from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from pyarrow import fs

from saelake.store.lake import filesystem_of


def write_bytes(uri: str, data: bytes) -> None:
    """Make or replace a file; readers see the old or the new one."""
    filesystem, path = filesystem_of(uri)
    if not isinstance(filesystem, fs.LocalFileSystem):
        with filesystem.open_output_stream(path) as stream:
            stream.write(data)
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    written = target.with_name(f".{target.name}.{uuid4().hex}")
    written.write_bytes(data)
    written.replace(target)


def read_bytes(uri: str) -> bytes | None:
    """What is in a file, or None where there is none."""
    filesystem, path = filesystem_of(uri)
    try:
        with filesystem.open_input_stream(path) as stream:
            return bytes(stream.read())
    except FileNotFoundError:
        return None


def list_files(uri_prefix: str) -> list[str]:
    """The addresses of the files in a folder, sorted; none where there is no such folder."""
    filesystem, path = filesystem_of(uri_prefix)
    found = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True))
    names = sorted(i.base_name for i in found if i.type == fs.FileType.File)
    return [f"{uri_prefix.rstrip('/')}/{name}" for name in names if not name.startswith(".")]


def delete(uri: str) -> None:
    """Remove a file, if it is there."""
    filesystem, path = filesystem_of(uri)
    with suppress(FileNotFoundError):
        filesystem.delete_file(path)
