"""What a corpus is called that nobody has named."""

import re
from pathlib import Path

from saelake.store.errors import InvalidInput


def default_corpus(location: str) -> str:
    """The corpus that a file becomes: its name without folders and extensions.

    Raises `InvalidInput` for a location that suggests no name.
    """
    stem = Path(location.split("://")[-1].rstrip("/")).name.split(":")[0].split(".")[0]
    called = re.sub("-{2,}", "-", re.sub(r"[^A-Za-z0-9._-]+", "_", stem)).strip("-._")
    if not called:
        raise InvalidInput(f"{location!r} suggests no name: give one with --corpus.")
    return called
