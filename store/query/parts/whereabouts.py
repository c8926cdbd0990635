"""Where the model and the dictionary of a collection are, as the lake knows."""

from dataclasses import dataclass

from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.lake.lake import Lake
from saelake.store.snapshot.collection import Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Locations: folders or hub ids."""

    model: str
    dictionary: str

    @classmethod
    def of(cls, lake: Lake, collection: Collection) -> "Whereabouts":
        """Where the parts are that the collection was made with; by their names if not known."""
        settings = collection.settings
        known = RegisteredDictionary.find(lake, settings.dictionary)
        return cls(
            model=(known and known.model_location) or settings.model,
            dictionary=(known and known.location) or settings.dictionary,
        )
