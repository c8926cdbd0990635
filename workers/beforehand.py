"""What can be told of a run of encode before its corpus is imported, without the model's weights.

`check_foreseen` comes before, which needs no torch.
"""

from contextlib import suppress

from saelake.store.errors import NotFound
from saelake.store.format.schema import CollectionSettings
from saelake.store.growth.shards import begun_settings, check_free
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.lake.lake import CollectionName, Lake, absolute
from saelake.store.lake.receipts import read_receipt
from saelake.workers.encoder.encode import misfit
from saelake.workers.encoder.hooks import HookPoint
from saelake.workers.encoder.models import Unweighted, unweighted
from saelake.workers.encoder.reader import ActivationReader
from saelake.workers.fleet.finished import EncodeRequest
from saelake.workers.fleet.footprint import Footprint
from saelake.workers.fleet.foreseen import kept_settings
from saelake.workers.fleet.naming import check_distinct, names_of
from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions
from saelake.workers.fleet.placing import check_place
from saelake.workers.fleet.targets import Intended, intended, loaded_dictionary

# The options that say how texts are read, or what is kept: they may not fit a model or a store.
OF_TEXTS = ("window", "overlap", "prepend_bos", "chat", "keep_activations")


def check_beforehand(asked: EncodeRequest) -> None:
    """Raise what `encode` would, as far as it is not known from an earlier run that it would not.

    Each dictionary is loaded, must fit the model at a hook point that is in it, and have a name
    that no other has; a collection that is begun must have the same settings. Of the model only
    the configuration and the tokenizer are read, and of one that a collection was begun with the
    content of the weights. Dictionaries that the lake knows by this name, from this place, were
    found right before: nothing is loaded to find it again for a new corpus.
    """
    lake = asked.lake.pinned()
    called = names_of(asked.dictionaries)
    named = [
        (choice, CollectionName(asked.corpus, name))
        for choice, name in zip(asked.dictionaries, called, strict=True)
    ]
    new = [(c, n) for c, n in named if not _is_known(lake, str(asked.model), c, n, asked.options)]
    if not new:
        return
    model = unweighted(str(asked.model), trust_remote_code=asked.options.trust_remote_code)
    made = [_check(lake, model, name, choice, asked.options) for choice, name in new]
    known = [name.dictionary for choice, name in named if (choice, name) not in new]
    check_distinct([*known, *(settings.dictionary for settings in made)])


def _check(
    lake: Lake,
    model: Unweighted,
    name: CollectionName,
    choice: DictionaryChoice,
    options: EncodeOptions,
) -> CollectionSettings:
    dictionary = loaded_dictionary(choice)
    made = intended(lake, model, name, dictionary, choice, options)
    check_free(lake, made.settings)
    if model.module is not None:
        check_place(lake, made.settings, model.module)
    _check_width(model, made)
    if options.keep_activations is not None:
        with suppress(NotFound):  # of a lake that is yet to be made
            check_free(lake, kept_settings(lake, made.settings, options.keep_activations))
    return made.settings


def _check_width(model: Unweighted, made: Intended) -> None:
    """Raise `DictionaryMismatch` for a dictionary of vectors of another width."""
    width = None if made.hook is None else _width(model, made.hook)
    if width is not None and made.hook is not None and width != made.settings.d_in:
        raise misfit(made.settings, made.hook.name, width)


def _width(model: Unweighted, hook: HookPoint) -> int | None:
    """The width of a hook point; None where a model cannot be run on shapes alone."""
    empty = model.as_model()
    with suppress(Exception):  # a model may look at its values: running it will tell
        if empty is not None:
            return ActivationReader(empty, [hook]).widths()[hook.name]
    return None


def _is_known(
    lake: Lake, model: str, choice: DictionaryChoice, name: CollectionName, options: EncodeOptions
) -> bool:
    """Whether there is nothing that could be refused of a dictionary, for it was encoded with."""
    plain = EncodeOptions()
    if any(getattr(options, option) != getattr(plain, option) for option in OF_TEXTS):
        return False
    known = RegisteredDictionary.find(lake, name.dictionary)
    places = (absolute(choice.location), absolute(model))
    return (
        known is not None
        and (known.location, known.model_location) == places
        and choice.hook in (None, known.hook)
        and begun_settings(lake, name) is None
        and _is_unchanged(lake, choice, name.dictionary)
    )


def _is_unchanged(lake: Lake, choice: DictionaryChoice, name: str) -> bool:
    """Whether a receipt has the dictionary's files as they are now."""
    now = Footprint.of_dictionary(choice.location)
    receipts = (read_receipt(lake, n) for n in lake.collections() if n.dictionary == name)
    with suppress(KeyError, TypeError, ValueError):  # of a saelake that wrote other receipts
        before = (Footprint.from_json(r["files"]["dictionary"]) for r in receipts if r)
        return now is not None and now in before
    return False
