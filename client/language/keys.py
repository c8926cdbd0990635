"""The key to a language model's server: read from the environment or a file, and never shown."""

import os
from pathlib import Path
from typing import NoReturn

from saelake.store.errors import InvalidInput

VARIABLE = "OPENAI_API_KEY"
FOR_OTHERS = 0o077
SHOWN = "[the key]"


class ApiKey:
    """A key, which no text, comparison or pickle of it tells. Raises `InvalidInput`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not value or not all("!" <= c <= "~" for c in value):
            raise InvalidInput("A key is of letters, digits and signs, in one line.")
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the header that it goes into."""
        return self._value

    def hidden_in(self, text: str) -> str:
        """The text without the key, which some servers repeat in their errors."""
        return text.replace(self._value, SHOWN)

    def __repr__(self) -> str:
        return f"ApiKey({SHOWN})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key is not pickled: read it where it is needed.")


def read_key(*, variable: str | None = None, file: Path | None = None) -> ApiKey | None:
    """The key in a file, or else in a variable (OPENAI_API_KEY); None where there is none.

    Raises `InvalidInput` where both are named, the named one has none, or others may read the file.
    """
    if file is not None and variable is not None:
        raise InvalidInput("A key is in a variable or in a file: name one.")
    if file is not None:
        return ApiKey(_content(file.expanduser()))
    value = os.environ.get(variable or VARIABLE, "").strip()
    if not value and variable is not None:
        raise InvalidInput(f"The variable {variable} has no key: set it.", variable=variable)
    return ApiKey(value) if value else None


def _content(file: Path) -> str:
    try:
        mode = file.stat().st_mode
        value = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"Cannot read the key in {file}.", file=file) from error
    if os.name == "posix" and mode & FOR_OTHERS:
        raise InvalidInput(f"Others may read the key in {file}: chmod 600 {file}", file=file)
    if not value:
        raise InvalidInput(f"The key file {file} is empty.", file=file)
    return value
