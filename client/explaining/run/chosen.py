"""Which features a run is about."""

from collections.abc import Sequence
from dataclasses import dataclass

from saelake.answers.text import named
from saelake.collection import Collection, FeatureName
from saelake.store.errors import InvalidInput
from saelake.store.format.poles import Poles
from saelake.store.query.parts.expression import parse
from saelake.store.requests.commands.labels import AUTOMATIC

DIFFERING = 50  # of a diff, where it is not said how many


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureChoice:
    """Which features: these, those of an expression, those that differ between two selections, or
    all that fire.

    `k` is how many at most: of a diff the first of its rows (50), of all that fire those that fire
    in most documents. `unlabelled` leaves out what has a label that is not automatic. Raises
    `InvalidInput` of more than one of the three.
    """

    features: Sequence[FeatureName] | None = None
    expression: str | None = None
    differing: tuple[Collection, Collection] | None = None
    k: int | None = None
    unlabelled: bool = False

    def __post_init__(self) -> None:
        if sum(x is not None for x in (self.features, self.expression, self.differing)) > 1:
            raise InvalidInput("Choose features in one way: a list, an expression, or a diff.")
        if self.k is not None and self.k < 1:
            raise InvalidInput(f"k is 1 or more features, not {self.k}.")

    def of(self, collection: Collection) -> list[str]:
        """The poles that fire, each once, in order; of a dictionary without poles its features.

        Raises `NotFound` of a feature, and `InvalidExpression`.
        """
        names = self._names(collection)
        return self._without_labels(collection, names) if self.unlabelled else names

    def _names(self, collection: Collection) -> list[str]:
        if self.expression is not None:
            return self._firing(collection, _of_expression(collection, self.expression))
        if self.differing is not None:
            return self._differing(collection, *self.differing)
        return self._firing(collection, self.features)

    def _firing(self, collection: Collection, features: Sequence[FeatureName] | None) -> list[str]:
        """Those that fire somewhere."""
        rows = collection.features(features, k=None)
        names = [str(named(row.feature, row.pole)) for row in rows if row.document_frequency]
        return list(dict.fromkeys(names))[: self.k]

    def _differing(self, collection: Collection, a: Collection, b: Collection) -> list[str]:
        if a.dictionary != collection.dictionary:
            raise InvalidInput(
                f"What differs in {a.name} are features of {a.dictionary.name}, not of "
                f"{collection.dictionary.name}."
            )
        rows = a.diff(b, k=self.k or DIFFERING, examples=False)
        return list(dict.fromkeys(str(named(row.feature, row.pole)) for row in rows))

    def _without_labels(self, collection: Collection, names: Sequence[str]) -> list[str]:
        if not names:
            return []
        said = {
            str(named(row.feature, row.pole))
            for row in collection.labels(features=tuple(names), k=None)
            if not row.explainer.startswith(AUTOMATIC)
        }
        return [name for name in names if name not in said]


def _of_expression(collection: Collection, text: str) -> list[str]:
    """The features that an expression names, left to right."""
    first = collection.features(0)[0]
    poles = Poles(collection.info().d_sae or 0, signed=first.pole is not None)
    terms = parse(text, poles, collection.name).features()
    return list(dict.fromkeys(poles.name(term.number) for term in terms))
