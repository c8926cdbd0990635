"""A snapshot's manifest in which some data files lie in another folder.

Lance's table format lets the files of one table lie in several places: a data file may have the
number of a base path, and the manifest lists these (`DataFile.base_id`, `Manifest.base_paths`;
protos/table.proto of lance-format/lance). Such a manifest is only ever handed to a reader in this
process: nobody writes it.

The few fields that change are changed in Protocol Buffers' wire format, so that all others stay as
they were, those of later versions of Lance too.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from saelake.store.errors import Corrupt

BASE_ID = 1 << 20  # of the folder; a table that has places of its own counts them from 0
_SEVERAL_BASES = 1 << 4  # the reader's flag that files have base paths
_VARINT, _I64, _BYTES, _I32 = 0, 1, 2, 5  # wire types
_MANIFEST_FRAGMENTS, _MANIFEST_READER_FLAGS, _MANIFEST_BASES = 2, 9, 18
_FRAGMENT_FILES = 2
_FILE_PATH, _FILE_BASE = 1, 7
_BASE_ID, _BASE_PATH = 1, 4
_MOST_SHIFT = 63


@dataclass(frozen=True, slots=True)
class _WireField:
    """One field of a message: its number, its value, and its bytes as they are."""

    number: int
    value: int | bytes
    raw: bytes


def elsewhere(manifest: bytes, names: Collection[str], folder: str) -> bytes:
    """The manifest, whose data files of these names lie in a folder (a `file://` address).

    Raises `Corrupt` for bytes that are no manifest.
    """
    parts: list[bytes] = []
    flags = _SEVERAL_BASES
    for field in _fields(manifest):
        if field.number == _MANIFEST_FRAGMENTS:
            parts.append(_bytes(_MANIFEST_FRAGMENTS, _fragment(_message(field), names)))
        elif field.number == _MANIFEST_READER_FLAGS and isinstance(field.value, int):
            flags |= field.value
        else:
            parts.append(field.raw)
    base = _number(_BASE_ID, BASE_ID) + _bytes(_BASE_PATH, folder.encode())
    return b"".join([*parts, _number(_MANIFEST_READER_FLAGS, flags), _bytes(_MANIFEST_BASES, base)])


def _fragment(fragment: bytes, names: Collection[str]) -> bytes:
    return b"".join(
        _bytes(_FRAGMENT_FILES, _file(_message(field), names))
        if field.number == _FRAGMENT_FILES
        else field.raw
        for field in _fields(fragment)
    )


def _file(file: bytes, names: Collection[str]) -> bytes:
    found = {field.number: field for field in _fields(file)}
    path = found.get(_FILE_PATH)
    if path is None or _FILE_BASE in found or _message(path).decode() not in names:
        return file
    return file + _number(_FILE_BASE, BASE_ID)


def _fields(message: bytes) -> Iterator[_WireField]:
    """The fields of a message, in order."""
    at = 0
    while at < len(message):
        begin = at
        key, at = _varint(message, at)
        kind = key & 7
        value: int | bytes
        if kind == _VARINT:
            value, at = _varint(message, at)
        else:
            size, at = _varint(message, at) if kind == _BYTES else (_fixed(kind), at)
            value, at = message[at : at + size], at + size
        if at > len(message):
            raise _damaged()
        yield _WireField(key >> 3, value, message[begin:at])


def _fixed(kind: int) -> int:
    if kind not in (_I64, _I32):
        raise _damaged()
    return 8 if kind == _I64 else 4


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = 0
    for shift in range(0, _MOST_SHIFT + 1, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 1 << 7:
            return value, at
    raise _damaged()


def _message(field: _WireField) -> bytes:
    if not isinstance(field.value, bytes):
        raise _damaged()
    return field.value


def _number(number: int, value: int) -> bytes:
    return _written(number << 3 | _VARINT) + _written(value)


def _bytes(number: int, value: bytes) -> bytes:
    return _written(number << 3 | _BYTES) + _written(len(value)) + value


def _written(value: int) -> bytes:
    """A number as Protocol Buffers write it: 7 bits a byte, the lowest first."""
    out = bytearray()
    while value >= 1 << 7:
        out.append(value & 0x7F | 1 << 7)
        value >>= 7
    out.append(value)
    return bytes(out)


def _damaged() -> Corrupt:
    return Corrupt("A table's manifest cannot be read: it is no Protocol Buffers message.")
