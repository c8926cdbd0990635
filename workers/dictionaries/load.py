"""Load a dictionary of any supported format from a path or the Hugging Face hub."""

import math
from dataclasses import replace
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
from saelake.workers.dictionaries.tensors import is_finite

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
    hook: str | None = None,
    norm_factor: float | None = None,
) -> LoadedDictionary:
    """The dictionary at `location`, on the CPU, ready to encode.

    Args:
        location: a folder, a weights file, or `hf://owner/repo[/path][@revision]`, of which only
            the dictionary's own files are fetched (from the hub's cache when offline).
        format: a name of `SUPPORTED_FORMATS`; by default it is told from the files.
        revision: branch, tag or commit of a hub repository.
        hook: the hook point that it will be run at; what the files say of theirs then need not
            be understood.
        norm_factor: what activations are multiplied with, for a dictionary that was trained on
            scaled ones and whose files do not say by how much (SAELens's
            `expected_average_only_in`: √d_in over their average norm). 1 is none.

    Decoder directions that are not finite are left out (`decoder_fault` says so): no code
    depends on them.

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
    source = replace(source, hook=hook, norm_factor=_checked(norm_factor))
    known = chosen or _recognised(source)
    if source.norm_factor and known is not saelens.FORMAT:
        raise InvalidInput(
            f"{source.label} takes no norm factor: dictionaries of {known.project} have their own",
            norm_factor=norm_factor,
        )
    return _without_damage(known.read(source))


def _checked(norm_factor: float | None) -> float | None:
    """The factor; None where it changes nothing."""
    if norm_factor is not None and not 0 < norm_factor < math.inf:
        raise InvalidInput(
            f"A norm factor is a positive number, not {norm_factor}.", norm_factor=norm_factor
        )
    return None if norm_factor == 1 else norm_factor


def _without_damage(dictionary: LoadedDictionary) -> LoadedDictionary:
    """The dictionary, without decoder directions that are not finite."""
    if dictionary.W_dec is None or is_finite(dictionary.W_dec):
        return dictionary
    fault = (
        "its decoder has values that are not finite, so that nothing that needs decoder "
        "directions can be asked of it (neighbors, match by decoder); its codes are whole"
    )
    return replace(dictionary, W_dec=None, decoder_fault=fault)


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
