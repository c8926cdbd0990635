"""Where several features fire."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from saelake.answers.answer import Answer
from saelake.answers.text import named
from saelake.answers.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturePlace:
    """The best token of a document for a feature.

    `position` counts the document's tokens as stored. `pole` is + or - for a feature of a signed
    dictionary, where the value of a negative pole is below 0.
    """

    feature: int
    pole: str | None = None
    doc: int
    id: str
    position: int
    value: float
    token: str

    @property
    def name(self) -> int | str:
        """What a question calls the feature, or its pole."""
        return named(self.feature, self.pole)


class FeaturePlaces(Answer[FeaturePlace]):
    """Places of features, one feature after the other, of each the strongest first."""

    called = "places"

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, FeaturePlace)

    def _view(self, rows: Sequence[FeaturePlace]) -> View:
        return View(
            said=[f"{len(self)} places"],
            header=("feature", "id", "position", "value", "token"),
            rows=[(str(row.name), row.id, row.position, row.value, row.token) for row in rows],
        )
