"""What dictionaries are called in a lake where nobody says: this needs no torch."""

import re
from collections.abc import Sequence
from pathlib import Path

from saelake.store.errors import InvalidInput
from saelake.store.format.schema import check_name
from saelake.workers.fleet.options import DictionaryChoice


def names_of(choices: Sequence[DictionaryChoice]) -> list[str]:
    """What the dictionaries are called, as far as that is known before they are loaded.

    Raises `InvalidInput` for two of one name, and for none.
    """
    if not choices:
        raise InvalidInput("Name at least one dictionary.")
    check_distinct([candidates(choice)[0] for choice in choices])
    return [candidates(choice)[-1] for choice in choices]


def candidates(choice: DictionaryChoice) -> list[str]:
    """What the dictionary may be called: at another place than it states, or at that place.

    Which of them only the dictionary tells, if it has no name of its own and a hook is chosen.
    """
    name = check_name("dictionary", choice.name or default_name(choice.location))
    if choice.name or choice.hook is None:
        return [name]
    return [name_elsewhere(name, choice.hook), name]


def default_name(location: str) -> str:
    """What a dictionary is called by default: the last part of its location."""
    is_remote = location.startswith("hf://")
    return Path(location.partition("@")[0] if is_remote else location).name


def name_elsewhere(name: str, hook: str) -> str:
    """What a dictionary is called by default where it is run at another place than it states."""
    place = re.sub(r"[^A-Za-z0-9._]+", "-", hook).strip("-")
    return check_name("dictionary", f"{name}-at-{place}")


def check_distinct(names: Sequence[str]) -> None:
    """Raise `InvalidInput` for two dictionaries of one name."""
    if len(set(names)) < len(names):
        raise InvalidInput(f"Two dictionaries have one name: {', '.join(names)}. Use --name.")
