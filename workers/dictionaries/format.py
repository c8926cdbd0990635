"""A file format: how its dictionaries are recognised and read."""

from collections.abc import Callable
from dataclasses import dataclass

from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.source import DictionaryFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One row of the table of formats.

    Attributes:
        name: what `load_dictionary(format=…)` and `--format` call it.
        project: whose format it is.
        files: the files it is made of, as the documentation shows them.
        fetched: the names of files to fetch from a hub folder.
        architectures: what it can hold, as it names them.
        recognises: whether these files are of the format.
        read: the dictionary in these files.
    """

    name: str
    project: str
    files: str
    fetched: tuple[str, ...]
    architectures: tuple[str, ...]
    recognises: Callable[[DictionaryFiles], bool]
    read: Callable[[DictionaryFiles], LoadedDictionary]
