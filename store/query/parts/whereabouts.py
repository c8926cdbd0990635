"""Where the model and the dictionary of a collection are, as the lake knows."""

from dataclasses import dataclass

from saelake.store.errors import InvalidInput
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
        """Where the parts are that the collection was made with; by their names if not known.

        Raises `InvalidInput` where another system made its codes.
        """
        settings = collection.settings
        if settings.is_imported:
            raise InvalidInput(
                f"The codes of {collection.name} were made elsewhere, and no model here makes "
                "those of a text. Ask by document, or by features and their weights.",
                collection=str(collection.name),
            )
        known = RegisteredDictionary.find(lake, settings.dictionary)
        return cls(
            model=(known and known.model_location) or settings.model,
            dictionary=(known and known.location) or settings.dictionary,
        )
