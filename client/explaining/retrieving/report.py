"""Documents that have a property, by features that a language model chose."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from saelake.answers.found import TEXT_SHOWN, FoundDocuments
from saelake.answers.plain import plain
from saelake.answers.text import one_line
from saelake.explaining.claims.sections import ReportSection, asked_section
from saelake.explaining.claims.stages import ModelAsked
from saelake.explaining.retrieving.candidates import CandidateFeatures
from saelake.explaining.retrieving.choosing import ModelChoice
from saelake.explaining.retrieving.options import ChoosingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRetrieval:
    """The documents of a selection that have what a phrase says, best first.

    `chosen` are the features that stand for the phrase, by the model that `asked` names, and out of
    `candidates`. Where it chose none there are no documents.
    """

    selection: str
    phrase: str
    options: ChoosingOptions
    candidates: CandidateFeatures
    chosen: tuple[ModelChoice, ...]
    documents: FoundDocuments
    notes: tuple[str, ...]
    asked: ModelAsked

    @property
    def title(self) -> str:
        """What the report is about."""
        return f"Documents of {self.selection} that have the property: {self.phrase}"

    def sections(self) -> Iterator[ReportSection]:
        """The report from the features to what was asked."""
        yield _chosen(self)
        yield _documents(self.documents)
        if self.notes:
            yield ReportSection(title="Notes", lines=self.notes)
        yield asked_section(self.asked, state=self.documents.state)

    def to_plain(self) -> dict[str, Any]:
        """The documents as JSON of a plain `retrieve`, and by whom which features were chosen."""
        said = {
            "chosen": [_row(choice) for choice in self.chosen],
            "chosen_by": self.asked.model,
            "candidates_by": self.candidates.found_by,
            "n_candidates": len(self.candidates.features),
            "options": asdict(self.options),
            "notes": self.notes,
            "asked": asdict(self.asked),
        }
        return {**self.documents.to_plain(), **plain(said)}

    def to_arrow(self) -> pa.Table:
        """The documents, as a plain `retrieve` has them."""
        return self.documents.to_arrow()


def _row(choice: ModelChoice) -> Mapping[str, Any]:
    return {**asdict(choice.of), "fit": choice.fit, "weight": choice.weight}


def _chosen(report: ModelRetrieval) -> ReportSection:
    of, n = report.candidates, len(report.candidates.features)
    by = (
        "whose labels are nearest the phrase"
        if of.found_by == "embeddings"
        else f"which share most words with it, of {of.n_labels:,} labels"
    )
    said = f"{report.asked.model} chose {len(report.chosen)} of the {n} features {by}."
    head = ("Feature", "Fit", "Weight", "Near", "Label", "Explainer")
    rows = [
        (
            str(choice.of.feature),
            f"{choice.fit} of 10",
            f"{choice.weight:.1f}",
            "" if choice.of.similarity is None else f"{choice.of.similarity:.3f}",
            choice.of.label,
            choice.of.explainer,
        )
        for choice in report.chosen
    ]
    return ReportSection(
        title="Features that stand for it", lines=(said,), table=(head, *rows) if rows else ()
    )


def _documents(documents: FoundDocuments) -> ReportSection:
    head = ("Score", "Id", "Text", "Features that make the score")
    rows = [
        (
            f"{each.score:.3f}",
            each.id,
            one_line(each.text)[:TEXT_SHOWN],
            ", ".join(
                f"{(shared.pole or '') + str(shared.feature)} ({shared.share:.0%})"
                for shared in each.shared_features
            ),
        )
        for each in documents
    ]
    return ReportSection(
        title="Documents",
        lines=() if rows else ("No document was found.",),
        table=(head, *rows) if rows else (),
    )
