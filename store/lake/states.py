"""States: which snapshots an answer was of, as one text that can be asked of again.

A state names the tables that a question read, each with its version, and a tag or time for those
that it did not read. So it is the same for whoever opens it, on whichever machine.
"""

import json
import re
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from saelake.store.errors import InvalidInput
from saelake.store.format.moments import moment_of, zoned
from saelake.store.format.schema import LONGEST_NAME, NAME

PREFIX = "state:"  # which no tag and no time begins with
LONGEST = 32 << 10  # characters: gRPC's metadata carry it
MOST_BYTES = 256 << 10  # of what it unfolds to
PIN = re.compile(r"0|[1-9][0-9]{0,18}\.[0-9a-f]{8}")  # 0 of a table that there was not


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeState:
    """A tag or time, and the tables that were read, each pinned as `VERSION.MARK`.

    The mark tells a table from another that was made in its place.
    """

    at: str
    tables: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        said = json.dumps([self.at, dict(self.tables)], separators=(",", ":"), sort_keys=True)
        return PREFIX + urlsafe_b64encode(_squeezed(said.encode())).decode().rstrip("=")

    @staticmethod
    def parse(text: str) -> "LakeState":
        """The state that a text names. Raises `InvalidInput`."""
        return _parsed(text)

    def suffix(self, table: str) -> str:
        """What of a table is opened: the end of its address."""
        pin = self.tables.get(table)
        return self.at if pin is None else f"={pin}"


def _squeezed(said: bytes) -> bytes:
    """The bytes as zlib writes them, by a window that is as small as they are.

    Every answer has a state, and of zlib's usual quarter of a MiB it needs a few hundred bytes.
    """
    squeezing = zlib.compressobj(wbits=9, memLevel=1)
    return squeezing.compress(said) + squeezing.flush()


def is_state(at: str) -> bool:
    """Whether a text names a state, and no tag or time."""
    return at.startswith(PREFIX)


@lru_cache(maxsize=64)  # an address of each table is made of it
def _parsed(text: str) -> LakeState:
    try:
        at, tables = _unfolded(text)
        pins = dict(tables)
        good = _is_when(at) and all(PIN.fullmatch(pin) for pin in pins.values())
        good = good and all(NAME.fullmatch(table) for table in pins)  # and no way out of the lake
    except (ValueError, TypeError, RecursionError, zlib.error):
        good = False
    if not good:
        raise InvalidInput("This is no state of a lake: take it from an answer, whole.")
    return LakeState(at=at, tables=pins)


def _is_when(at: object) -> bool:
    """Whether this is a time, as states have them, or may be a tag."""
    if not isinstance(at, str) or len(at) > LONGEST_NAME:
        return False
    return zoned(at) == at if moment_of(at) else NAME.fullmatch(at) is not None


def _unfolded(text: str) -> tuple[str, dict[str, str]]:
    if len(text) > LONGEST or not text.isascii():
        raise ValueError
    packed = text.removeprefix(PREFIX)
    bytes_of = zlib.decompressobj()
    said = bytes_of.decompress(urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), MOST_BYTES)
    at, tables = json.loads(said)
    return at, tables
