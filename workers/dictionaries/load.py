"""Load a dictionary of any supported format from a path or the Hugging Face hub."""

from itertools import islice
from pathlib import Path

from saelake.store.errors import DictionaryError, InvalidInput, NotFound
from saelake.workers.dictionaries import (
    dictionary_learning,
    gemma_scope,
    goodfire,
    itda,
    llama_scope,
    openai,
    qwen_scope,
    saelens,
    sparsify,
)
from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.format import Format
from saelake.workers.dictionaries.source import DictionaryFiles, check_address, locate

# In the order in which files are tried: the formats that are told by name come before those that
# are told by the tensors within.
SUPPORTED_FORMATS: tuple[Format, ...] = (
    saelens.FORMAT,
    sparsify.FORMAT,
    llama_scope.FORMAT,
    itda.FORMAT,
    qwen_scope.FORMAT,
    gemma_scope.FORMAT,
    dictionary_learning.FORMAT,
    goodfire.FORMAT,
    openai.FORMAT,
)


def load_dictionary(
    location: str | Path,
    *,
    format: str | None = None,  # noqa: A002  # what the command line calls it too
    revision: str | None = None,
) -> LoadedDictionary:
    """The dictionary at `location`, on the CPU, ready to encode.

    Args:
        location: a folder, a weights file, or `hf://owner/repo[/path][@revision]`, of which only
            the dictionary's own files are fetched (from the hub's cache when offline).
        format: a name of `SUPPORTED_FORMATS`; by default it is told from the files.
        revision: branch, tag or commit of a hub repository.

    Raises:
        NotFound: there is no such path, repository or revision.
        DictionaryError: the files are of no supported format, or contradict it; the message
            says what was found and what is expected.
        InvalidInput: an address or a format name that cannot be meant.
        AccessDenied: a hub repository whose terms must be accepted first.
        Unavailable: the hub cannot be reached, and its cache has no copy.
    """
    chosen = None if format is None else _named(format)
    wanted = {name for known in SUPPORTED_FORMATS for name in known.fetched}
    source = locate(location, revision=revision, wanted=sorted(wanted))
    return (chosen or _recognised(source)).read(source)


def check_dictionary(location: str | Path) -> None:
    """Raise what `load_dictionary` would for files that are not there, or of no known format.

    Nothing is fetched: of an `hf://` address only the form is checked.
    """
    if not check_address(location):
        _recognised(locate(location, revision=None, wanted=()))


def _named(name: str) -> Format:
    for known in SUPPORTED_FORMATS:
        if known.name == name:
            return known
    names = ", ".join(known.name for known in SUPPORTED_FORMATS)
    raise InvalidInput(f"there is no dictionary format {name!r}; known are {names}", format=name)


def _recognised(source: DictionaryFiles) -> Format:
    for known in SUPPORTED_FORMATS:
        if known.recognises(source):
            return known
    raise _unrecognised(source)


def _unrecognised(source: DictionaryFiles) -> DictionaryError:
    nested = _nested(source)
    if nested:
        return DictionaryError(
            f"{source.label} holds several dictionaries; name one of them: {', '.join(nested)}",
            path=source.label,
        )
    expected = "; ".join(f"{known.files} ({known.project})" for known in SUPPORTED_FORMATS)
    found = f"the file {source.file}" if source.file else source.listing()
    return DictionaryError(
        f"{source.label} is not a dictionary of a known format; found {found}; expected one of: "
        f"{expected}",
        path=source.label,
    )


def _nested(source: DictionaryFiles, most: int = 8) -> list[str]:
    """The names of sub-folders, or of checkpoints side by side, that are dictionaries."""
    if source.file is not None:
        return []
    found = filter(_is_dictionary, sorted(source.folder.iterdir()))
    return [path.name for path in islice(found, most)]


def _is_dictionary(path: Path) -> bool:
    try:
        inner = locate(path, revision=None, wanted=())
        return any(known.recognises(inner) for known in SUPPORTED_FORMATS)
    except (DictionaryError, NotFound):  # weights that cannot be read, a link to nowhere
        return False
