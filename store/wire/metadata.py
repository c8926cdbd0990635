"""What travels beside a question: the state that it is asked of, and whether progress is told."""

from collections.abc import Iterable

AT = "saelake-at"
PROGRESS = "saelake-progress"
YES = "1"


def tells_of(sent: Iterable[tuple[str, str | bytes]] | None) -> bool:
    """Whether a call asks to be told how far its answer is."""
    return any(name == PROGRESS and value == YES for name, value in sent or ())


def at_of(sent: Iterable[tuple[str, str | bytes]] | None) -> str | None:
    """The tag, time or state that a call asks of; None is the newest."""
    for name, value in sent or ():
        if name == AT and value:
            return value if isinstance(value, str) else value.decode("ascii", "replace")
    return None
