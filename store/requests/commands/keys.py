"""Keys: what a caller calls something, so that the same sent twice is done once."""

from saelake.store.errors import InvalidInput
from saelake.store.format.schema import NAME

LONGEST_KEY = 100


def check_key(what: str, key: str | None) -> None:
    """Raise `InvalidInput` unless the key is None or can name a file."""
    if key is not None and (len(key) > LONGEST_KEY or not NAME.fullmatch(key)):
        raise InvalidInput(
            f"{key!r} cannot be a {what}: it has up to {LONGEST_KEY} letters, digits, '.', '_' "
            "and '-', and begins with a letter or digit."
        )
