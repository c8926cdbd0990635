"""What is wrong with a filter, and where in it."""

from saelake.store.errors import InvalidFilter

REST_SHOWN = 40  # characters of what follows a mistake
FILTER_SHOWN = 300  # characters of the filter itself


def mistake(where: str, at: int, said: str) -> InvalidFilter:
    """The error of a filter that is not understood from this character on, counted from 0."""
    rest = where[at : at + REST_SHOWN]
    place = f"from {rest!r} on (character {at + 1})" if rest else "at its end"
    return InvalidFilter(
        f"The filter {shortened(where)} is not understood {place}: {said}", where=where
    )


def refusal(where: str, said: str) -> InvalidFilter:
    """The error of a filter that is understood, and cannot be meant."""
    return InvalidFilter(f"The filter {shortened(where)} cannot be used: {said}", where=where)


def shortened(where: str) -> str:
    """A filter in quotes, without its middle when it is long."""
    if len(where) <= FILTER_SHOWN:
        return repr(where)
    half = FILTER_SHOWN // 2
    return f"{where[:half]!r} … {where[-half:]!r}"
