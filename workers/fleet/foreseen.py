"""What can be refused of an encode by what it is asked and what is there: this needs no torch.

Names, places that are not there, and settings that contradict those that a collection was begun
with. What only the files of the model and the dictionary tell comes after (see `beforehand`).
"""

from collections.abc import Mapping
from typing import Any

from saelake.store.activations.table import find_store
from saelake.store.documents.documents import Documents
from saelake.store.documents.imports import check_corpus_name
from saelake.store.errors import SaelakeError
from saelake.store.format.activations import KeptDtype, KeptSettings
from saelake.store.format.schema import CollectionSettings
from saelake.store.growth.shards import begun_otherwise, begun_settings, check_free
from saelake.store.lake.lake import CollectionName, Lake
from saelake.workers.dictionaries.source import check_address, locate
from saelake.workers.encoder.modelfiles import local_files
from saelake.workers.encoder.options import KeepOptions
from saelake.workers.fleet.finished import EncodeRequest
from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions

# The options that decide the collection by themselves, whatever model and dictionary there are.
ALONE = (
    "overlap",
    "max_tokens",
    "special_tokens",
    "chat",
    "values",
    "batch_invariant",
    "quantization",
)


def check_foreseen(asked: EncodeRequest, *, is_here: bool = True, is_imported: bool = True) -> None:
    """Raise what can be told of an encode without its files; `is_here` where they should be.

    The corpus must be there if it `is_imported` already. Raises `InvalidInput`, `NotFound`,
    `ModelError`, and `AlreadyExists` for a collection that was begun with other settings.
    """
    check_corpus_name(asked.corpus)
    names = asked.names()
    if is_imported:
        Documents.open(asked.lake, asked.corpus)
    if is_here:
        _check_places(asked)
    if asked.source is None:
        for candidates, choice in zip(names, asked.dictionaries, strict=True):
            _check_begun(asked, candidates, choice)


def _check_places(asked: EncodeRequest) -> None:
    if asked.model is not None:
        local_files(asked.model)
    for choice in asked.dictionaries:
        if not check_address(choice.location):
            locate(choice.location, revision=None, wanted=())


def _check_begun(
    asked: EncodeRequest, candidates: list[CollectionName], choice: DictionaryChoice
) -> None:
    """Refuse what contradicts the collection, by whichever of its names it will be called."""
    refusals = [_refusal(asked, name, choice) for name in candidates]
    if all(refusals):
        raise refusals[-1] or AssertionError


def _refusal(
    asked: EncodeRequest, name: CollectionName, choice: DictionaryChoice
) -> SaelakeError | None:
    begun = begun_settings(asked.lake, name)
    if begun is None:
        return None
    decided = _decided(choice, asked.options, begun)
    both = {name: (now, getattr(begun, name)) for name, now in decided.items()}
    differences = {name: (now, was) for name, (now, was) in both.items() if now != was}
    if differences:
        return begun_otherwise(str(name), differences)
    return _kept_otherwise(asked, begun)


def _decided(
    choice: DictionaryChoice, options: EncodeOptions, begun: CollectionSettings
) -> Mapping[str, Any]:
    """The settings that are sure already, by what was asked and by what the dictionary states."""
    decided = {name: getattr(options, name) for name in ALONE}
    decided["norm_factor"] = None if choice.norm_factor == 1 else choice.norm_factor
    if choice.hook is not None and choice.name is not None:
        decided["hook"] = choice.hook
    if options.window is not None:
        decided["window"] = options.window
    elif begun.stated_window is not None:  # else the model's own, which may be shorter
        decided["window"] = min(begun.stated_window, begun.window)
    begins = begun.stated_bos if options.prepend_bos is None else options.prepend_bos
    if None not in (begins, begun.prepend_bos):  # else the tokenizer has a say
        decided["prepend_bos"] = begins
    return decided


def _kept_otherwise(asked: EncodeRequest, begun: CollectionSettings) -> SaelakeError | None:
    """What is against keeping activations as is asked, beside those that are kept."""
    options = asked.options.keep_activations
    if options is None:
        return None
    try:
        check_free(asked.lake, kept_settings(asked.lake, begun, options))
    except SaelakeError as error:
        return error
    return None


def kept_settings(lake: Lake, settings: CollectionSettings, options: KeepOptions) -> KeptSettings:
    """What is to be kept beside a collection, in the type of what is kept already, if anything."""
    stored = find_store(lake, settings)
    own: KeptDtype = stored.settings.dtype if stored else "float16"
    return KeptSettings(
        collection=stored.settings.collection if stored else settings,
        sample=options.sample,
        dtype=own if options.dtype == "auto" else options.dtype,
    )
