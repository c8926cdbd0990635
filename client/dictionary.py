"""A dictionary of a lake: its features by what they are called, and by where they point."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from saelake.answers.agreements import Agreements
from saelake.answers.labels import Labels, Neighbors
from saelake.answers.matches import Matches
from saelake.arguments import names, of_kind, poles
from saelake.exports import LabelsForm, write_labels
from saelake.former import former
from saelake.store.format.provenance import LabelMade, LabelScore, ScoreKind
from saelake.store.reports import LabelsReport
from saelake.store.requests.agreement import AgreementQuery
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
        explainers: str | Sequence[str] = (),
        every_explainer: bool = False,
        score: ScoreKind | None = None,
        history: bool = False,
    ) -> Labels:
        """What features are called: those about a text, nearest first, or the first by number.

        With `min_score` only labels with at least this score, which is the first that a label has
        of detection, fuzzing, embedding, surprisal, other and words; or that of the kind `score`.
        Each says its `score_kind`.

        With `features` the labels of these, in this order, of as many as have one; `k` is not of
        them. With `explainers` only labels of these; of several, or with `every_explainer`, each
        one's label of every feature, and `k` counts features. With `history` also what was said
        before, of each feature the latest first.

        Raises `NotFound` for a text when no label has an embedding: `lake.embed` a corpus and
        `lake.label`.
        """
        if text is not None and not isinstance(text, str):
            say = "Features are given as features= now; by place they go with the next version."
            warnings.warn(say, DeprecationWarning, stacklevel=2)
            text, features = None, text
        only = poles("features", features)
        query = LabelsQuery(
            dictionary=self.name,
            text=text,
            features=only,
            k=k,
            min_score=min_score,
            explainers=names("explainers", explainers),
            every_explainer=every_explainer,
            score=score,
            history=history,
        )
        return Labels(self.transport.ask(query).read_all())

    def label(
        self,
        feature: int | str,
        label: str,
        *,
        explainer: str = BY_HAND,
        expect: str | None = None,
        scores: Sequence[LabelScore] = (),
        made: LabelMade | None = None,
    ) -> LabelsReport:
        """Call a feature something, in place of what the same explainer called it.

        Labels of others stay: shown is one by `hand`, else the best (see `Label`). What was said
        before can be asked for (`labels(history=True)`). The same again changes nothing; of the
        same text scores of other kinds stay, and what `made` it, where that is not said.
        With `expect` it is only done where the explainer's label is this now, empty for none:
        raises `Conflict` where it is not. Of a signed dictionary 243 is the positive pole, and
        -243 the negative one. Raises `NotFound`, and `InvalidInput` for a feature that is none.
        """
        (number,) = poles("features", [feature])
        new = NewLabel(feature=number, label=label, scores=tuple(scores), made=made)
        return self.set_labels([new], explainer=explainer, expect=expect)

    def set_labels(
        self,
        labels: Mapping[int, str]
        | Mapping[str, str]
        | Mapping[int | str, str]
        | Sequence[NewLabel],
        *,
        explainer: str = BY_HAND,
        expect: str | None = None,
    ) -> LabelsReport:
        """Call features something, up to 1,000 by one commit; see `label`.

        Who makes labels writes them in such batches, as `NewLabel` with scores and what made
        them, again and again: `import_labels` with `keep_others` takes more at once.
        """
        command = SetLabelsCommand(
            dictionary=self.own_name,
            labels=_new_labels(labels),
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

    def agreement(self, *, explainers: str | Sequence[str] = ()) -> Agreements:
        """How alike what two explainers call the same features is, for each pair (of these).

        See `store.query.agreement` for what is compared how.
        """
        query = AgreementQuery(dictionary=self.name, explainers=names("explainers", explainers))
        return Agreements(self.transport.ask(query).read_all())

    def export_labels(
        self,
        to: str | PathLike[str],
        *,
        form: LabelsForm = "json",
        source: str | None = None,
        features: int | str | Sequence[int | str] = (),
        explainers: str | Sequence[str] = (),
        every_explainer: bool = False,
        min_score: float | None = None,
    ) -> int:
        """Write labels to a file, or to a folder (`delphi`); how many. `import_labels` reads them.

        `json` is the document of `saelake labels -f json`; `neuronpedia` rows of explanations, by
        line, compressed where the name ends with .gz; `delphi` a folder with a text for each
        feature, without scores. `source` is what delphi's module or Neuronpedia's layer is called:
        left out, the dictionary. Raises `InvalidInput` for a folder that has anything in it.
        """
        found = self.labels(
            None,
            None,
            features=features,
            explainers=explainers,
            every_explainer=every_explainer,
            min_score=min_score,
        )
        rows = found.to_plain()[found.called]
        return write_labels(to, rows, form=form, source=source or self.own_name)

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


def _new_labels(labels: "Mapping[Any, str] | Sequence[NewLabel]") -> tuple[NewLabel, ...]:
    if not isinstance(labels, Mapping):
        return tuple(labels)
    numbers = poles("features", list(labels))
    pairs = zip(numbers, labels.values(), strict=True)
    return tuple(NewLabel(feature=number, label=text) for number, text in pairs)
