"""What travels beside a question: the state that it is asked of."""

from collections.abc import Iterable

AT = "saelake-at"


def at_of(sent: Iterable[tuple[str, str | bytes]] | None) -> str | None:
    """The tag, time or state that a call asks of; None is the newest."""
    for name, value in sent or ():
        if name == AT and value:
            return value if isinstance(value, str) else value.decode("ascii", "replace")
    return None
