"""The collections that a run makes: dictionaries that fit a model, and what the lake is told."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from saelake.store.errors import Conflict, InvalidInput
from saelake.store.format.schema import CollectionSettings
from saelake.store.growth.shards import begun_settings, continued
from saelake.store.index.vectors import Vectors, write_vectors
from saelake.store.lake.dictionaries import RegisteredDictionary, register_dictionary
from saelake.store.lake.lake import CollectionName, Lake, absolute
from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.load import load_dictionary
from saelake.workers.encoder.encode import Target
from saelake.workers.encoder.hooks import HookPoint, resolve_hook
from saelake.workers.encoder.models import Model, Unweighted
from saelake.workers.encoder.reader import n_embedded
from saelake.workers.encoder.tokens import TokenSettings, settled
from saelake.workers.encoder.vocabulary import vocabulary
from saelake.workers.fleet.naming import check_distinct, name_elsewhere, names_of
from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions
from saelake.workers.fleet.placing import elsewhere

DECODER_ROWS = 4096


def prepare(
    lake: Lake,
    model: Model,
    corpus: str,
    choices: Sequence[DictionaryChoice],
    loaded: Sequence[LoadedDictionary],
    options: EncodeOptions,
) -> list[Target]:
    """The collections to make, each with its own dictionary's context; `loaded` are the choices."""
    names = names_of(choices)
    targets = [
        _target(lake, model, CollectionName(corpus, name), dictionary, choice, options)
        for name, dictionary, choice in zip(names, loaded, choices, strict=True)
    ]
    check_distinct([target.settings.dictionary for target in targets])
    return targets


def loaded_dictionary(choice: DictionaryChoice) -> LoadedDictionary:
    """The dictionary of a choice. Raises the errors of `load_dictionary`."""
    return load_dictionary(choice.location, hook=choice.hook, norm_factor=choice.norm_factor)


def hooks_of(choices: Sequence[DictionaryChoice], loaded: Sequence[LoadedDictionary]) -> list[str]:
    """The hook points that dictionaries are run at; none where one of them does not say its own."""
    hooks = [
        choice.hook or dictionary.hook_name
        for choice, dictionary in zip(choices, loaded, strict=True)
    ]
    known = [hook for hook in hooks if hook is not None]
    return known if len(known) == len(hooks) else []


def passes(model: Model, targets: Sequence[Target]) -> dict[TokenSettings, list[Target]]:
    """The targets by how their texts are read: each group has a forward pass of its own."""
    found: dict[TokenSettings, list[Target]] = {}
    for target in targets:
        tokens = settled(model.tokenizer, TokenSettings.of(target.settings))
        found.setdefault(tokens, []).append(target)
    return found


def _token_settings(
    model: Model | Unweighted, dictionary: LoadedDictionary, options: EncodeOptions
) -> TokenSettings:
    """How texts are read for a dictionary: as the user says, or else as its files do."""
    window = options.window
    if window is None:
        window = min(model.window, dictionary.context_size or model.window)
    if window > model.window:
        raise InvalidInput(
            f"A window of {window} tokens is longer than {model.name} can read: at most "
            f"{model.window}.",
            window=window,
        )
    chosen = options.prepend_bos
    tokens = TokenSettings(
        window=window,
        overlap=options.overlap,
        max_tokens=options.max_tokens,
        special_tokens=options.special_tokens,
        prepend_bos=dictionary.prepend_bos if chosen is None else chosen,
        chat=options.chat,
    )
    return settled(model.tokenizer, tokens)


def _as_begun(
    lake: Lake, name: CollectionName, model: Model | Unweighted, tokens: TokenSettings
) -> TokenSettings:
    """The settings in the words of the collection that they continue, if they mean the same.

    An earlier saelake left to the tokenizer whether windows begin with BOS, and stored that.
    """
    begun = begun_settings(lake, name)
    if begun is None:
        return tokens
    theirs = replace(tokens, prepend_bos=begun.prepend_bos)
    return theirs if settled(model.tokenizer, theirs) == tokens else tokens


def _target(
    lake: Lake,
    model: Model,
    name: CollectionName,
    dictionary: LoadedDictionary,
    choice: DictionaryChoice,
    options: EncodeOptions,
) -> Target:
    made = intended(lake, model, name, dictionary, choice, options)
    assert made.hook is not None
    return Target(
        settings=made.settings,
        dictionary=dictionary.to(model.device_at(made.hook.module_path), model.dtype),
        hook=made.hook,
        notes=made.notes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """A collection as it is to be made; its `hook` is None where the model has no module."""

    settings: CollectionSettings
    hook: HookPoint | None
    notes: tuple[str, ...]


def intended(
    lake: Lake,
    model: Model | Unweighted,
    name: CollectionName,
    dictionary: LoadedDictionary,
    choice: DictionaryChoice,
    options: EncodeOptions,
) -> Intended:
    """What a dictionary is to make of a corpus; this needs no weights of the model.

    Raises `InvalidInput` and `ModelError` for a hook point or a context that cannot be.
    """
    hook_name = choice.hook or dictionary.hook_name
    if hook_name is None:
        raise InvalidInput(
            f"The dictionary {name.dictionary} does not say at which hook point of the model it "
            "belongs. Give one with --hook, for instance blocks.3.hook_resid_post.",
            dictionary=name.dictionary,
        )
    hook = None if model.module is None else resolve_hook(model.module, hook_name)
    called = name.dictionary
    notes = [f"{called}: {dictionary.decoder_fault}."] if dictionary.decoder_fault else []
    if note := elsewhere(called, dictionary.hook_name, hook_name, model.module):
        notes.append(note)
        name = name if choice.name else replace(name, dictionary=name_elsewhere(called, hook_name))
    tokens = _as_begun(lake, name, model, _token_settings(model, dictionary, options))
    settings = CollectionSettings(
        corpus=name.corpus,
        dictionary=name.dictionary,
        fingerprint=dictionary.fingerprint,
        architecture=dictionary.architecture,
        d_in=dictionary.d_in,
        d_sae=dictionary.d_sae,
        signed=dictionary.signed,
        by_pole=dictionary.signed,
        model=model.name,
        model_fingerprint=_fingerprint(lake, name, model, options),
        hook=hook_name,
        window=tokens.window,
        overlap=tokens.overlap,
        max_tokens=tokens.max_tokens,
        special_tokens=tokens.special_tokens,
        prepend_bos=tokens.prepend_bos,
        chat=tokens.chat,
        values=options.values,
        tokenizer_fingerprint=model.tokenizer_fingerprint,
        stated_window=dictionary.context_size or None,
        stated_bos=dictionary.prepend_bos,
        norm_factor=None if choice.norm_factor == 1 else choice.norm_factor,
        batch_invariant=options.batch_invariant,
        quantization=options.quantization,
    )
    return Intended(settings=continued(lake, settings), hook=hook, notes=tuple(notes))


def _fingerprint(
    lake: Lake, name: CollectionName, model: Model | Unweighted, options: EncodeOptions
) -> str:
    """The model's; where its weights are not here yet, that of the collection as it was begun."""
    begun = begun_settings(lake, name)
    if isinstance(model, Unweighted) and begun is None and options.keep_activations is None:
        return ""  # there is nothing to compare it with, and it takes long to read
    return model.fingerprint or (begun.model_fingerprint if begun else "")


def register(
    lake: Lake,
    targets: Sequence[Target],
    choices: Sequence[DictionaryChoice],
    model: Model,
    location: str,
) -> None:
    """Tell the lake of the dictionaries, once; `location` is where the model is.

    Raises `AlreadyExists`.
    """
    names = vocabulary(model.tokenizer, n_embedded(model.module))
    for target, choice in zip(targets, choices, strict=True):
        settings = target.settings
        dictionary = RegisteredDictionary.of(
            settings,
            format_name=target.dictionary.format,
            location=absolute(choice.location),
            model_location=absolute(location),
        )
        register_dictionary(lake, dictionary, names)
        store_decoder(lake, settings, target.dictionary)


def store_decoder(lake: Lake, settings: CollectionSettings, dictionary: LoadedDictionary) -> None:
    """Put the decoder's directions into the lake once: questions about them need no weights."""
    W_dec, uri = dictionary.W_dec, lake.decoder(settings.dictionary)
    if W_dec is None or Vectors.open(uri) is not None:
        return

    def batches() -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        for first in range(0, len(W_dec), DECODER_ROWS):
            rows = W_dec[first : first + DECODER_ROWS].float()
            unit = torch.nn.functional.normalize(rows, dim=1).cpu().numpy()
            yield np.arange(first, first + len(unit), dtype=np.uint64), unit

    with suppress(Conflict):  # another encoder of this dictionary was faster
        write_vectors(uri, W_dec.shape[1], settings.fingerprint, batches())
