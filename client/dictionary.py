"""A dictionary of a lake: its features by what they are called, and by where they point."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saelake.answers.labels import Labels, Neighbors
from saelake.answers.matches import Matches
from saelake.arguments import of_kind, poles
from saelake.former import former
from saelake.store.reports import LabelsReport
from saelake.store.requests.commands.labels import (
    BY_HAND,
    DeleteLabelsCommand,
    NewLabel,
    SetLabelsCommand,
)
from saelake.store.requests.labels import LabelsQuery
from saelake.store.requests.match import MatchQuery
from saelake.store.requests.neighbors import NeighborsQuery
from saelake.transport import Transport


@dataclass(frozen=True, slots=True)
class Dictionary:
    """A dictionary that some corpus of the lake was encoded with; `lake.dictionary(name)`.

    Its labels are of several corpora, each marked with its own; of a collection,
    `lake.dictionary("corpus/name")` or `Collection.labels`, those of its corpus go first.

    Every question raises `NotFound` when there is no such dictionary.
    """

    name: str
    transport: Transport

    def labels(
        self,
        text: str | None = None,
        k: int | None = LabelsQuery.k,
        *,
        features: int | str | Sequence[int | str] = (),
        min_score: float | None = None,
    ) -> Labels:
        """What features are called: those about a text, nearest first, or the first by number.

        With `min_score` only labels with at least this score: how well their words predict, in
        documents held back, where the feature fires.

        With `features` the labels of these, in this order, of as many as have one; `k` is not of
        them. Raises `NotFound` for a text when no label has an embedding: `lake.embed` a corpus
        and `lake.label`.
        """
        if text is not None and not isinstance(text, str):
            say = "Features are given as features= now; by place they go with the next version."
            warnings.warn(say, DeprecationWarning, stacklevel=2)
            text, features = None, text
        only = poles("features", features)
        query = LabelsQuery(
            dictionary=self.name, text=text, features=only, k=k, min_score=min_score
        )
        return Labels(self.transport.ask(query).read_all())

    def label(
        self,
        feature: int | str,
        label: str,
        *,
        explainer: str = BY_HAND,
        expect: str | None = None,
    ) -> LabelsReport:
        """Call a feature something, in place of what the same explainer called it.

        Labels of others stay; see `Label` for which one is shown. The same again changes nothing.
        With `expect` it is only done where the explainer's label is this now, empty for none:
        raises `Conflict` where it is not. Of a signed dictionary 243 is the positive pole, and
        -243 the negative one. Raises `NotFound`, and `InvalidInput` for a feature that is none.
        """
        return self.set_labels({feature: label}, explainer=explainer, expect=expect)

    def set_labels(
        self,
        labels: Mapping[int, str] | Mapping[str, str] | Mapping[int | str, str],
        *,
        explainer: str = BY_HAND,
        expect: str | None = None,
    ) -> LabelsReport:
        """Call features something, up to 1,000 by one commit; see `label`."""
        numbers = poles("features", list(labels))
        new = zip(numbers, labels.values(), strict=True)
        command = SetLabelsCommand(
            dictionary=self.own_name,
            labels=tuple(NewLabel(feature=number, label=text) for number, text in new),
            explainer=explainer,
            expect=expect,
        )
        report: LabelsReport = self.transport.tell(command)
        return report

    def delete_labels(
        self,
        features: int | str | Sequence[int | str] | None = None,
        *,
        explainer: str = BY_HAND,
    ) -> LabelsReport:
        """Take back what an explainer called these features, or all that it called anything."""
        command = DeleteLabelsCommand(
            dictionary=self.own_name,
            explainer=explainer,
            features=None if features is None else poles("features", features),
        )
        report: LabelsReport = self.transport.tell(command)
        return report

    @property
    def own_name(self) -> str:
        """Its name, without that of a corpus."""
        return self.name.rpartition("/")[2]

    def neighbors(self, feature: int | str, k: int = NeighborsQuery.k) -> Neighbors:
        """The features whose decoder directions are nearest that of a feature, by cosine.

        Of a signed dictionary these are poles; -243 asks for those near the opposite direction.
        """
        (number,) = poles("feature", feature)
        query = NeighborsQuery(dictionary=self.name, feature=number, k=k)
        return Neighbors(self.transport.ask(query).read_all(), feature=query.feature)

    def match(
        self,
        other: "Dictionary | str",
        *,
        features: Sequence[int | str] = (),
        k: int = MatchQuery.k,
    ) -> Matches:
        """For each feature the `k` of another dictionary with the nearest decoder directions.

        `Collection.match` compares what they do on tokens.
        """
        named = Dictionary(other, self.transport) if isinstance(other, str) else other
        of_kind("match", Dictionary, [named])
        only = poles("features", features)
        query = MatchQuery(a=self.name, b=named.name, features=only, by="decoder", k=k)
        return Matches(self.transport.ask(query).read_all())

    features = former("features", labels)
    nearest = former("nearest", neighbors)

    def __repr__(self) -> str:
        return f"<Dictionary {self.name}>"
