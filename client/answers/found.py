"""Documents that were found, and the features that stand for a phrase.

`pole` is + or - where the dictionary is signed, and tells which pole of the feature is meant; of
others it is None.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import pyarrow as pa

from saelake.answers import about
from saelake.answers.about import metadata
from saelake.answers.answer import Answer
from saelake.answers.plain import plain, standing
from saelake.answers.text import described, labelled, named, one_line
from saelake.answers.view import View

TEXT_SHOWN = 60
FoundHead = Literal["recall", "phrase", "notes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenFeature:
    """A feature that stands for a phrase: how much it counts, by which label, made of which corpus.

    `similarity` is that of the label and the phrase; `score` the label's own, of `score_kind`. A
    feature that who asked has chosen has no similarity, and maybe no label.
    """

    feature: int
    label: str | None
    explainer: str | None
    corpus: str | None
    score: float | None
    similarity: float | None
    weight: float
    pole: str | None = None
    score_kind: str | None = None


def chosen(table: pa.Table) -> tuple[ChosenFeature, ...]:
    """The features that stand for the phrase asked about, nearest first; none without a phrase."""
    return tuple(ChosenFeature(**row) for row in json.loads(metadata(table).get("chosen", "[]")))


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFeature:
    """A feature that makes `share` of a document's score; `value` is the document's."""

    feature: int
    pole: str | None = None
    label: str | None
    share: float
    value: float


def _shared(shared: "SharedFeature") -> str:
    called, label = named(shared.feature, shared.pole), labelled(shared.label)
    return f"{called} ({label})" if label else str(called)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDocument:
    """A document that an analysis found; `text` is how it begins."""

    doc: int
    id: str
    score: float
    text: str
    metadata: Mapping[str, Any]
    shared_features: tuple[SharedFeature, ...]

    @classmethod
    def of(cls, *, shared_features: Sequence[Mapping[str, Any]], **row: Any) -> Self:
        """The document of a row."""
        shared = tuple(SharedFeature(**feature) for feature in shared_features)
        return cls(shared_features=shared, **row)


class FoundDocuments(Answer[FoundDocument]):
    """Documents, best first.

    `recall` is the share of the best documents that such a search finds, measured on documents of
    the collection when its index was made; 1 is exact. The scores are exact in any case. `chosen`
    are the features that stand for the phrase, where one was asked about. `notes` are sentences
    that must be read with the answer: what of the pool or the target is left out. `phrase` is the
    property that was asked for, where one was. In JSON the `head` stands before the rows.
    """

    called = "hits"

    def __init__(
        self, table: pa.Table, *, head: FoundHead = "recall", phrase: str | None = None
    ) -> None:
        super().__init__(table, FoundDocument.of)
        self.about = about.said(table)
        self.recall: float = self.about.get("recall", 1.0)
        self.chosen = chosen(table)
        self.notes: tuple[str, ...] = self.about.get("notes", ())
        self.phrase, self._headed = phrase, head

    def to_plain(self, *, chosen: bool = False) -> dict[str, Any]:
        """See `Answer.to_plain`; with `chosen` also the features that stand for the phrase."""
        more = plain(standing(self.chosen)) if chosen else {}
        return {**super().to_plain(), **more}

    def _head(self) -> Mapping[str, Any]:
        return {self._headed: getattr(self, self._headed)}

    @property
    def _approximate(self) -> list[str]:
        return [] if self.recall == 1 else [f"approximate: recall {self.recall:.4g}"]

    def _view(self, rows: Sequence[FoundDocument]) -> View:
        return View(
            said=[*self._approximate, *self.notes],
            header=("score", "id", "text", "shared features", "metadata"),
            rows=[
                (
                    found.score,
                    found.id,
                    one_line(found.text)[:TEXT_SHOWN],
                    ", ".join(map(_shared, found.shared_features)),
                    described(found.metadata),
                )
                for found in rows
            ],
        )
