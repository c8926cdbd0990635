"""Times at which a lake is asked for: ISO 8601, local where they name no zone."""

from datetime import datetime


def moment_of(at: str) -> datetime | None:
    """The time that a text is (ISO 8601); None when it is none, and so can be a tag."""
    try:
        return datetime.fromisoformat(at)
    except ValueError:
        return None


def zoned(at: str) -> str:
    """A time with its zone, this machine's where it names none; other texts as they are."""
    moment = moment_of(at)
    return at if moment is None else moment.astimezone().isoformat()
