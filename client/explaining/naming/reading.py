"""Answers about groups as names."""

import re
from collections.abc import Sequence

from saelake.explaining.claims.reading import phrase_of
from saelake.language.prompts import Prompt
from saelake.language.reading import Unreadable, by_schema
from saelake.language.replies import Reply

# What a judge could not know.
NUMBERED = re.compile(
    r"\b(?:cluster|group|family)s? (?:\d+|of (?:texts|features))\b", re.IGNORECASE
)


class NameReader:
    """Reads names: of so many words at most, and none that is taken."""

    def __init__(self, n_words: int, taken: Sequence[str] = ()) -> None:
        self._n_words = n_words
        self._taken = {key_of(name) for name in taken}

    def __call__(self, prompt: Prompt, reply: Reply) -> str | Unreadable:
        """The name in one line, without a full stop."""
        found = by_schema(prompt, reply)
        if isinstance(found, Unreadable):
            return found
        name = phrase_of(found["name"].strip().rstrip("."), "name")
        if isinstance(name, Unreadable):
            return name
        n = len(name.split())
        if n > self._n_words:
            return Unreadable(reason=f"the name has {n} words, and may have {self._n_words}")
        if NUMBERED.search(name):
            return Unreadable(reason=f"the name {name!r} names a group")
        if key_of(name) in self._taken:
            return Unreadable(reason=f"the name {name!r} is that of another group")
        return name


def key_of(name: str) -> str:
    """What two names have in common that are one: lower and upper case are alike."""
    return " ".join(name.casefold().split())
