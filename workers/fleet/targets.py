"""The collections that a run makes: dictionaries that fit a model, and what the lake is told."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saelake.store.errors import Conflict, InvalidInput
from saelake.store.format.schema import CollectionSettings, check_name
from saelake.store.index.vectors import Vectors, write_vectors
from saelake.store.lake.dictionaries import RegisteredDictionary, register_dictionary
from saelake.store.lake.lake import Lake, absolute
from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.load import load_dictionary
from saelake.workers.encoder.encode import Target
from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.models import Model
from saelake.workers.encoder.tokens import TokenSettings
from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions

DECODER_ROWS = 4096


def prepare(
    model: Model, corpus: str, choices: Sequence[DictionaryChoice], options: EncodeOptions
) -> tuple[list[Target], TokenSettings]:
    """The collections to make, and how their texts become tokens."""
    names = names_of(choices)
    loaded = [load_dictionary(choice.location) for choice in choices]
    tokens = _token_settings(model, loaded, options)
    targets = [
        _target(model, corpus, name, dictionary, choice.hook, tokens, options)
        for name, dictionary, choice in zip(names, loaded, choices, strict=True)
    ]
    return targets, tokens


def names_of(choices: Sequence[DictionaryChoice]) -> list[str]:
    """What the dictionaries are called. Raises `InvalidInput` for two of one name, and for none."""
    if not choices:
        raise InvalidInput("Name at least one dictionary.")
    names = [check_name("dictionary", c.name or default_name(c.location)) for c in choices]
    if len(set(names)) < len(names):
        raise InvalidInput(f"Two dictionaries have one name: {', '.join(names)}. Use --name.")
    return names


def default_name(location: str) -> str:
    """What a dictionary is called by default: the last part of its location."""
    is_remote = location.startswith("hf://")
    return Path(location.partition("@")[0] if is_remote else location).name


def _token_settings(
    model: Model, dictionaries: Sequence[LoadedDictionary], options: EncodeOptions
) -> TokenSettings:
    contexts = [d.context_size for d in dictionaries if d.context_size]
    window = options.window
    if window is None:
        window = min(model.window, max(contexts, default=model.window))
    if window > model.window:
        raise InvalidInput(
            f"A window of {window} tokens is longer than {model.name} can read: at most "
            f"{model.window}.",
            window=window,
        )
    prepend_bos = options.prepend_bos
    if prepend_bos is None and any(d.prepend_bos for d in dictionaries):
        prepend_bos = True
    return TokenSettings(
        window=window,
        overlap=options.overlap,
        max_tokens=options.max_tokens,
        special_tokens=options.special_tokens,
        prepend_bos=prepend_bos,
        chat=options.chat,
    )


def _target(
    model: Model,
    corpus: str,
    name: str,
    dictionary: LoadedDictionary,
    hook_name: str | None,
    tokens: TokenSettings,
    options: EncodeOptions,
) -> Target:
    hook_name = hook_name or dictionary.hook_name
    if hook_name is None:
        raise InvalidInput(
            f"The dictionary {name} does not say at which hook point of the model it belongs. "
            "Give one with --hook, for instance blocks.3.hook_resid_post.",
            dictionary=name,
        )
    settings = CollectionSettings(
        corpus=corpus,
        dictionary=name,
        fingerprint=dictionary.fingerprint,
        architecture=dictionary.architecture,
        d_in=dictionary.d_in,
        d_sae=dictionary.d_sae,
        signed=dictionary.signed,
        by_pole=dictionary.signed,
        model=model.name,
        model_fingerprint=model.fingerprint,
        hook=hook_name,
        window=tokens.window,
        overlap=tokens.overlap,
        max_tokens=tokens.max_tokens,
        special_tokens=tokens.special_tokens,
        prepend_bos=tokens.prepend_bos,
        chat=tokens.chat,
        values=options.values,
        tokenizer_fingerprint=model.tokenizer_fingerprint,
    )
    return Target(
        settings=settings,
        dictionary=dictionary.to(model.device, model.dtype),
        hook=resolve_hook(model.module, hook_name),
    )


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
    for target, choice in zip(targets, choices, strict=True):
        settings, tokenizer = target.settings, model.tokenizer
        dictionary = RegisteredDictionary.of(
            settings,
            format_name=target.dictionary.format,
            location=absolute(choice.location),
            model_location=absolute(location),
        )
        register_dictionary(
            lake, dictionary, tokenizer.batch_decode([[i] for i in range(len(tokenizer))])
        )
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
