"""What a collection of codes from elsewhere is to be: as it was begun, or as the source says."""

import hashlib
from dataclasses import dataclass, replace

from saelake.store.errors import AlreadyExists, CorpusError, InvalidInput
from saelake.store.format.schema import IMPORTED, CollectionSettings, Unit
from saelake.store.growth.shards import begun_settings, check_free
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.lake.feature_names import check_room, feature_names
from saelake.store.lake.lake import CollectionName, Lake
from saelake.workers.outside.keys import MOST_FEATURES, Keys
from saelake.workers.outside.options import CodesOptions
from saelake.workers.outside.rows import VectorSource

ELSEWHERE = "elsewhere"  # where codes were made, if nobody says
LEAST_ROOM = 64  # features of a dictionary whose features have names


@dataclass(frozen=True, slots=True, kw_only=True)
class IntendedCodes:
    """The settings of a collection, complete but for its width; and what is known of features.

    `is_named` says whether these have names, None: not known before the rows are read; `known` are
    the names that the dictionary has.
    """

    settings: CollectionSettings
    is_named: bool | None
    width: int | None
    known: dict[str, int]
    is_new: bool

    @classmethod
    def of(
        cls, lake: Lake, name: CollectionName, source: VectorSource, options: CodesOptions
    ) -> "IntendedCodes":
        """What the options say, and else what there is. Raises `AlreadyExists`, `InvalidInput`."""
        begun = begun_settings(lake, name)
        dictionary = RegisteredDictionary.find(lake, name.dictionary)
        _check_imported(name, begun, dictionary)
        if dictionary is not None:
            _check_as_before(name.dictionary, "signed", options.signed, bool(dictionary.signed))
            _check_as_before(name.dictionary, "width", options.width, dictionary.d_sae)
        signed = bool(dictionary.signed) if dictionary else bool(options.signed)
        names = feature_names(lake, name.dictionary)
        settings = CollectionSettings(
            corpus=name.corpus,
            dictionary=name.dictionary,
            fingerprint=dictionary.fingerprint if dictionary else "",
            architecture=IMPORTED,
            d_in=0,
            d_sae=0,
            signed=signed,
            by_pole=signed,
            model=options.made_by or (begun.model if begun else ELSEWHERE),
            model_fingerprint=IMPORTED,
            hook=ELSEWHERE,
            window=0,
            values=options.values or (begun.values if begun else "16-bit"),
            unit=_unit(options.unit, begun, source),
        )
        return cls(
            settings=settings,
            is_named=_is_named(name.dictionary, options, names, dictionary),
            width=dictionary.d_sae if dictionary else options.width,
            known=names,
            is_new=dictionary is None,
        )

    def complete(self, lake: Lake, keys: Keys, source: VectorSource) -> "IntendedCodes":
        """With the width, which rows with these keys must fit. Raises `CorpusError`."""
        is_named = keys.are_named(self.is_named)
        dictionary = self.settings.dictionary
        if is_named:
            new = sum(name not in self.known for name in keys.names)
            n_names = len(self.known) + new
            width = self.width or room_for(n_names)
            check_room(dictionary, n_names, width)
        else:
            width = self.width or source.width or keys.width or 1
            if keys.width > width:
                raise CorpusError(
                    f"{source.name} has feature {keys.width - 1}, and {dictionary} has the "
                    f"features 0 to {width - 1}. Import all under another name, with --width "
                    f"{keys.width} or more.",
                    feature=keys.width - 1,
                )
        most = MOST_FEATURES // (2 if self.settings.signed else 1)
        if width > most:
            raise CorpusError(
                f"{width:,} features are too many: a collection has at most {most:,}."
            )
        settings = replace(
            self.settings,
            d_sae=width,
            fingerprint=self.settings.fingerprint
            or _fingerprint(self.settings, width, is_named=is_named),
        )
        check_free(lake, settings)
        return replace(self, settings=settings, is_named=is_named, width=width)

    def numbers(self, keys: Keys) -> dict[str, int] | None:
        """The number of each name, also of new ones as they would be; None without names."""
        if not self.is_named:
            return None
        new = [name for name in keys.names if name not in self.known]
        return {**self.known, **{name: len(self.known) + i for i, name in enumerate(new)}}


def room_for(n_names: int) -> int:
    """The width of a new dictionary with so many names: a power of two, at least twice as many."""
    return int(max(LEAST_ROOM, 1 << max(2 * n_names - 1, 0).bit_length()))


def _fingerprint(settings: CollectionSettings, width: int, *, is_named: bool) -> str:
    """What tells the dictionary from others: its name, as nothing else is known of it."""
    said = f"{IMPORTED} {settings.dictionary} {width} {settings.signed} {is_named}"
    return hashlib.sha256(said.encode()).hexdigest()


def _check_imported(
    name: CollectionName, begun: CollectionSettings | None, known: RegisteredDictionary | None
) -> None:
    by_model = begun is not None and not begun.is_imported
    if by_model or (known is not None and not known.is_imported):
        raise AlreadyExists(
            f"{name.dictionary} is a dictionary that a model is encoded with here. Codes from "
            f"elsewhere are another's: import them under another name than {name}.",
            dictionary=name.dictionary,
        )


def _check_as_before(dictionary: str, option: str, asked: object, stored: object) -> None:
    if asked is not None and asked != stored:
        raise AlreadyExists(
            f"{dictionary} was made with {option} = {stored!r} (now {asked!r}). Leave --{option} "
            "out to continue it, or import under another name.",
            dictionary=dictionary,
        )


def _unit(asked: Unit | None, begun: CollectionSettings | None, source: VectorSource) -> Unit:
    if asked is not None and source.unit not in (None, asked):
        raise InvalidInput(f"The rows of {source.name} are of {source.unit}s, not of {asked}s.")
    return asked or source.unit or (begun.unit if begun else "document")


def _is_named(
    dictionary: str,
    options: CodesOptions,
    names: dict[str, int],
    known: RegisteredDictionary | None,
) -> bool | None:
    asked = None if options.keys is None else options.keys == "names"
    if known is None and not names:  # else an import was killed that had named them
        return asked
    if asked not in (None, bool(names)):
        have = "names" if names else "numbers"
        raise AlreadyExists(
            f"The features of {dictionary} have {have}. Import under another name.",
            dictionary=dictionary,
        )
    return bool(names)
