"""What is said of the contexts of a run: how each dictionary's texts are read, and against what.

A dictionary's files state the context that it was trained in: how many tokens, and whether they
begin with BOS. Each collection is made with its own dictionary's, whatever else is encoded in the
run; a user's option goes first. This needs no torch, which takes seconds.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from saelake.store.errors import SaelakeWarning
from saelake.store.format.schema import CollectionSettings
from saelake.workers.fleet.options import EncodeOptions

BEGINNINGS = {True: "with BOS", False: "without BOS", None: "as the tokenizer begins texts"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What is said of a run before it begins, each in a sentence.

    `told` is good to know. `against` is what is not as a dictionary states, for the user or the
    kept activations had it so: its codes may not be those that it was trained to give.
    """

    told: tuple[str, ...] = ()
    against: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        collections: Sequence[CollectionSettings],
        options: EncodeOptions,
        dictionaries: Sequence[str] = (),
    ) -> "Notes":
        """The notes of a run that makes these collections, with the user's options.

        `dictionaries` is what was found when these were loaded: see `Target.notes`.
        """
        told, against = [*_passes(collections)], [*dictionaries]
        for settings in collections:
            chosen = options.window is not None or settings.tokens_from is not None
            against += [
                *_bos(settings, options.prepend_bos),
                *(_window(settings) if chosen else ()),
            ]
            told += [*_unknown(settings), *(() if chosen else _clipped(settings))]
        return cls(told=tuple(told), against=tuple(against))

    def __iter__(self) -> Iterator[str]:
        yield from (*self.told, *self.against)

    def warn(self) -> None:
        """Have Python warn of what is against a dictionary."""
        for said in self.against:
            warnings.warn(said, SaelakeWarning, stacklevel=3)


def _passes(collections: Sequence[CollectionSettings]) -> Iterator[str]:
    """Why the model is run more than once, where it is."""
    contexts: dict[str, list[str]] = {}
    for settings in collections:
        if settings.tokens_from is None:
            context = f"{BEGINNINGS[settings.prepend_bos]}, {settings.window:,} tokens"
            contexts.setdefault(context, []).append(settings.dictionary)
    if len(contexts) > 1:
        each = "; ".join(f"{', '.join(names)} {context}" for context, names in contexts.items())
        yield f"{len(contexts)} passes, for the dictionaries read texts differently: {each}."


def _clipped(settings: CollectionSettings) -> Iterator[str]:
    if (settings.stated_window or 0) > settings.window:
        yield (
            f"{settings.dictionary} states a context of {settings.stated_window:,} tokens, and "
            f"{settings.model} reads at most {settings.window:,} at once: those are its windows."
        )


def _window(settings: CollectionSettings) -> Iterator[str]:
    if settings.stated_window and settings.stated_window != settings.window:
        yield (
            f"{settings.dictionary} states a context of {settings.stated_window:,} tokens, and is "
            f"encoded in windows of {settings.window:,}, as {_reason(settings, '--window')}."
        )


def _bos(settings: CollectionSettings, chosen: bool | None) -> Iterator[str]:
    begins, stated = settings.prepend_bos, settings.stated_bos
    begins = chosen if begins is None else begins
    if None not in (begins, stated) and begins != stated:
        option = "--prepend-bos" if begins else "--no-prepend-bos"
        yield (
            f"{settings.dictionary} states contexts {BEGINNINGS[stated]}, and is encoded "
            f"{BEGINNINGS[begins]}, as {_reason(settings, option)}."
        )


def _unknown(settings: CollectionSettings) -> Iterator[str]:
    """Of kept activations that do not tell: the tokenizer's CLS stands there, or they are old."""
    if settings.tokens_from and settings.prepend_bos is None and settings.stated_bos is not None:
        yield (
            f"{settings.dictionary} states contexts {BEGINNINGS[settings.stated_bos]}, and the "
            f"kept activations were read {BEGINNINGS[None]}."
        )


def _reason(settings: CollectionSettings, option: str) -> str:
    if settings.tokens_from is None:
        return f"{option} says"
    return f"the activations kept of {settings.tokens_from} were"
