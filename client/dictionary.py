"""A dictionary of a lake: its features by what they are called, and by where they point."""

from collections.abc import Sequence
from dataclasses import dataclass

from saelake.answers.analyses import Labels, Matches, Neighbors
from saelake.store.requests import LabelsQuery, MatchQuery, NeighborsQuery
from saelake.transport import Transport


@dataclass(frozen=True, slots=True)
class Dictionary:
    """A dictionary that some corpus of the lake was encoded with; `lake.dictionary(name)`.

    Every question raises `NotFound` when there is no such dictionary.
    """

    name: str
    transport: Transport

    def features(self, text: str, k: int | None = 20) -> Labels:
        """The features whose labels are nearest a text, nearest first.

        Raises `NotFound` when no label has an embedding: `lake.embed` a corpus and `lake.label`.
        """
        query = LabelsQuery(dictionary=self.name, text=text, k=k)
        return Labels(self.transport.ask(query).read_all())

    def labels(self, features: Sequence[int] = (), k: int | None = None) -> Labels:
        """The labels of these features, in this order, or of all by number."""
        query = LabelsQuery(dictionary=self.name, features=tuple(features), k=k)
        return Labels(self.transport.ask(query).read_all())

    def nearest(self, feature: int, k: int = 10) -> Neighbors:
        """The features whose decoder directions are nearest that of a feature, by cosine."""
        query = NeighborsQuery(dictionary=self.name, feature=feature, k=k)
        return Neighbors(self.transport.ask(query).read_all())

    def match(
        self, other: "Dictionary | str", *, features: Sequence[int] = (), k: int = 1
    ) -> Matches:
        """For each feature the `k` of another dictionary with the nearest decoder directions.

        `Collection.match` compares what they do on tokens.
        """
        name = other if isinstance(other, str) else other.name
        query = MatchQuery(a=self.name, b=name, features=tuple(features), by="decoder", k=k)
        return Matches(self.transport.ask(query).read_all())

    def __repr__(self) -> str:
        return f"<Dictionary {self.name}>"
