"""Times at which a lake is asked for: ISO 8601, local where they name no zone."""

from datetime import UTC, datetime

from saelake.store.errors import InvalidInput


def moment_of(at: str) -> datetime | None:
    """The time that a text is (ISO 8601); None when it is none, and so can be a tag."""
    try:
        return datetime.fromisoformat(at)
    except ValueError:
        return None


def zoned(at: str) -> str:
    """A time in UTC, of this machine's zone where it names none; other texts as they are.

    Raises `InvalidInput` for a time that no calendar of this machine has.
    """
    moment = moment_of(at)
    try:
        return at if moment is None else moment.astimezone().astimezone(UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        raise InvalidInput(f"{at!r} is no time that a lake can have been at.", at=at) from None
