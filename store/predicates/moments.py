"""Dates and times as texts: what they mean for a column of dates, times, or both."""

import re
from dataclasses import dataclass
from datetime import date, time, timedelta

import pyarrow as pa
import pyarrow.compute as pc

EPOCH = date(1970, 1, 1).toordinal()
DAY_NS = 86_400_000_000_000
NS_IN = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1}

_CLOCK = r"(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?"
_TIME = re.compile(_CLOCK, re.ASCII)
_MOMENT = re.compile(
    rf"(\d{{4}}-\d{{2}}-\d{{2}})(?:[T ]{_CLOCK}(?:\s*(Z|UTC|[+-]\d{{2}}:?\d{{2}}))?)?", re.ASCII
)


class Unfit(ValueError):
    """A literal that does not fit a column; says why, where there is more to say than its type."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A date with a time of day: nanoseconds since 1970, by the clock at `offset` (None: some)."""

    ns: int
    offset: timedelta | None

    @property
    def utc_ns(self) -> int:
        """Nanoseconds since 1970 in UTC, of one whose offset is known."""
        assert self.offset is not None
        return self.ns - int(self.offset.total_seconds()) * 1_000_000_000


def read_moment(text: str) -> Moment:
    """The moment in `2024-01-31`, `2024-01-31 10:00`, `2024-01-31T10:00:00.5+01:00`.

    Raises `Unfit`.
    """
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise Unfit("")
    try:
        day = date.fromisoformat(found[1])
    except ValueError:
        raise Unfit(f"there is no day {found[1]}") from None
    clock = 0 if found[2] is None else _clock(found[2], found[3], found[4], found[5])
    return Moment((day.toordinal() - EPOCH) * DAY_NS + clock, _offset(found[6]))


def read_time(text: str) -> int:
    """The nanoseconds since midnight of `10:00` or `10:00:00.5`. Raises `Unfit`."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise Unfit("")
    return _clock(found[1], found[2], found[3], found[4])


def _clock(hour: str, minute: str, second: str | None, fraction: str | None) -> int:
    try:
        read = time(int(hour), int(minute), int(second or 0))
    except ValueError:
        raise Unfit(f"there is no time {hour}:{minute}:{second or '00'}") from None
    seconds = (read.hour * 60 + read.minute) * 60 + read.second
    return seconds * 1_000_000_000 + int((fraction or "").ljust(9, "0"))


def _offset(text: str | None) -> timedelta | None:
    if text is None:
        return None
    if text in ("Z", "UTC"):
        return timedelta(0)
    hours, minutes = int(text[1:3]), int(text[-2:])
    ahead = timedelta(hours=hours, minutes=minutes)
    if hours > 14 or minutes > 59:
        raise Unfit(f"there is no offset {text}")
    return -ahead if text[0] == "-" else ahead


def instant(moment: Moment, zone: str | None) -> int:
    """The nanoseconds since 1970 of a moment as a column with this zone (None: without) keeps it.

    A moment without an offset is by the clocks of the column's zone. Raises `Unfit`.
    """
    if zone is None:
        if moment.offset is not None:
            raise Unfit("it has no time zone, so leave that of the literal away")
        return moment.ns
    if moment.offset is not None:
        return moment.utc_ns
    seconds, rest = divmod(moment.ns, 1_000_000_000)
    return _utc_seconds(seconds, zone) * 1_000_000_000 + rest


def _utc_seconds(local: int, zone: str) -> int:
    try:
        utc = pc.assume_timezone(pa.array([local], pa.timestamp("s")), zone)
    except pa.ArrowInvalid as error:
        raise Unfit(
            f"the clocks of {zone} do not say when that is, so add the offset, as in "
            "'2024-01-31 10:00:00+01:00'"
        ) from error
    return int(utc.cast(pa.int64())[0].as_py())
