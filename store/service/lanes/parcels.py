"""What a serving process and one that computes for it tell each other, over pipes.

A parcel is its kind (1 byte), its length (4 bytes), and its contents. An order of the serving
process is answered by frames, and how far it is, and then one of the other kinds.
"""

import json
import pickle
import struct
from asyncio import StreamReader
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, BinaryIO

from saelake.store.errors import SaelakeError
from saelake.store.requests.waited.progress import Progress
from saelake.store.snapshot.models import Texts
from saelake.store.tables.diskcache import DiskCache
from saelake.store.wire.errors import CLASSES

HEAD = struct.Struct("<BI")


class Kind(IntEnum):
    """What a parcel is: the first three come from the serving process."""

    SETTINGS = 1
    ASK = 2
    STOP = 3
    READY = 4
    PROGRESS = 5
    FRAME = 6
    LAST = 7  # a frame as well
    ERROR = 8
    DEFECT = 9
    STOPPED = 10
    WARM = 11  # of one that serves: what it reads before questions come is read

    @property
    def ends(self) -> bool:
        """Whether nothing follows of this answer."""
        return self > Kind.FRAME


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSettings:
    """What a process needs to answer of a lake."""

    uri: str
    at: str | None = None
    texts: Texts | None = None
    disk_cache: DiskCache | None = None
    kept_bytes: int


def packed(kind: Kind, contents: bytes = b"") -> bytes:
    """A parcel."""
    return HEAD.pack(kind, len(contents)) + contents


def pickled(kind: Kind, value: object) -> bytes:
    """A parcel with a value."""
    return packed(kind, pickle.dumps(value))


def read(file: BinaryIO) -> tuple[Kind, bytes]:
    """The next parcel. Raises `EOFError`, also of one that is cut off."""
    kind, n_bytes = HEAD.unpack(_whole(file, HEAD.size))
    return Kind(kind), _whole(file, n_bytes)


def _whole(file: BinaryIO, n_bytes: int) -> bytes:
    found = file.read(n_bytes)
    if len(found) < n_bytes:
        raise EOFError
    return found


async def received(stream: StreamReader) -> tuple[Kind, bytes]:
    """The next parcel, in an event loop. Raises `IncompleteReadError`."""
    kind, n_bytes = HEAD.unpack(await stream.readexactly(HEAD.size))
    return Kind(kind), await stream.readexactly(n_bytes)


def progress_parcel(progress: Progress) -> bytes:
    """A parcel that says how far an answer is."""
    return packed(Kind.PROGRESS, json.dumps(asdict(progress)).encode())


def progress_in(contents: bytes) -> Progress:
    """How far an answer is, as such a parcel says."""
    return Progress(**json.loads(contents))


def error_parcel(error: SaelakeError) -> bytes:
    """A parcel with an error, to be raised as it was."""
    said = {"class": type(error).__name__, "message": error.message, "data": dict(error.data)}
    return packed(Kind.ERROR, json.dumps(said).encode())


def error_in(contents: bytes) -> SaelakeError:
    """The error in such a parcel."""
    said: dict[str, Any] = json.loads(contents)
    error: SaelakeError = CLASSES[said["class"]](said["message"], **said["data"])
    return error
