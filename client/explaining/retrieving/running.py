"""Documents that have what a phrase says, by features that a language model chooses.

Candidates are the features whose labels are near the phrase; the model picks those that fit, and
says how well; documents are ranked by these as `retrieve` ranks them (`store/query/retrieve.py`).
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from saelake.answers.found import FoundDocuments
from saelake.collection import Collection
from saelake.explaining.claims.estimating import (
    StageEstimate,
    StagePrompts,
    asking_nothing,
    stage_estimates,
)
from saelake.explaining.claims.stages import AnswerStage, AskedStages, Told
from saelake.explaining.retrieving.candidates import CandidateFeatures, candidates
from saelake.explaining.retrieving.choosing import ChoiceReader, ModelChoice, choosing
from saelake.explaining.retrieving.options import ChoosingOptions
from saelake.explaining.retrieving.report import ModelRetrieval
from saelake.language.model import LanguageModel
from saelake.language.prompts import Prompt
from saelake.language.settings import LanguageSettings
from saelake.store.errors import InvalidInput, Unavailable
from saelake.store.requests.checks import Method
from saelake.store.requests.columns import FOUND
from saelake.store.requests.retrieve import RetrieveQuery

STAGE = "features chosen"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseAsked:
    """A phrase, of what it is asked, and how documents are ranked."""

    collection: Collection
    phrase: str
    k: int | None
    method: Method
    options: ChoosingOptions

    def __post_init__(self) -> None:
        if not self.phrase.strip():
            raise InvalidInput("The phrase is empty: name a property, as in 'sarcastic praise'.")

    def candidates(self) -> CandidateFeatures:
        """What there is to choose from. Raises what ranking would, before anything is paid."""
        found = candidates(self.collection, self.phrase, self.options)
        if self.method != "sae" and found.features:
            self._ranked(1, {found.features[0].feature: 1.0})
        return found

    def prompt(self, found: CandidateFeatures) -> Prompt:
        """The prompt that asks for the features."""
        return choosing(self.phrase, found.features, min(self.options.most, len(found.features)))

    def ranked(self, chosen: tuple[ModelChoice, ...]) -> FoundDocuments:
        """The documents by these features; none without."""
        if not chosen:
            empty = FOUND.empty_table().replace_schema_metadata({})
            return FoundDocuments(empty, head="phrase", phrase=self.phrase)
        return self._ranked(self.k, {choice.of.feature: choice.weight for choice in chosen})

    def _ranked(self, k: int | None, features: dict[int | str, float]) -> FoundDocuments:
        return self.collection.retrieve(self.phrase, k, method=self.method, features=features)


async def retrieved_by_model(
    asked: PhraseAsked, model: LanguageModel, told: Told | None = None
) -> ModelRetrieval:
    """The documents for a phrase, by a model that is open.

    Raises `BudgetSpent` and what else ends a run, and `Unavailable` without an answer; one that
    cannot be read, twice, is told in the notes.
    """
    found = await asyncio.to_thread(asked.candidates)
    stages = AskedStages(model, told)
    stage = await stages.ask(STAGE, _prompts(asked, found), ChoiceReader(found.features))
    if stage.n_unanswered:
        raise Unavailable(f"No answer to which features stand for the phrase: {stage.why[0]}.")
    chosen = stage.values.get(0, ())
    documents = await asyncio.to_thread(asked.ranked, chosen)
    return ModelRetrieval(
        selection=str(asked.collection.selection),
        phrase=asked.phrase,
        options=asked.options,
        candidates=found,
        chosen=chosen,
        documents=documents,
        notes=(*_notes(found, stage), *documents.notes),
        asked=await stages.asked(),
    )


def _prompts(asked: PhraseAsked, found: CandidateFeatures) -> list[tuple[int, Prompt]]:
    return [(0, asked.prompt(found))] if found.features else []


def _notes(found: CandidateFeatures, stage: AnswerStage[int, tuple[ModelChoice, ...]]) -> list[str]:
    notes = []
    if found.found_by == "words" and (found.n_labels or 0) > len(found.features):
        notes.append(
            f"The labels have no embeddings, so only {len(found.features):,} of {found.n_labels:,} "
            "were shown, those that share most words with the phrase: `saelake label --model` "
            "makes embeddings."
        )
    if 0 in stage.why:
        notes.append(f"The model's choice could not be read: {stage.why[0]}.")
    elif not stage.values.get(0):
        notes.append("The model found that none of the labels fits, so no document was looked for.")
    return notes


def retrieve_by_model(
    collection: Collection,
    phrase: str,
    settings: LanguageSettings,
    k: int | None = RetrieveQuery.k,
    *,
    method: Method = RetrieveQuery.method,
    options: ChoosingOptions | None = None,
    run: str | None = None,
    cache: Path | str | None = None,
    told: Told | None = None,
) -> ModelRetrieval:
    """The documents that have the property a phrase names, by features that a model chooses.

    Candidates are the features whose labels are nearest the phrase, or, where labels have no
    embeddings, those that share its words. The model says which fit, and how well from 1 to 10;
    documents are ranked by these, as `Collection.retrieve` does. Where an event loop runs already,
    await `retrieved_by_model`. Raises `NotFound` without labels, and (for `hybrid` and `dense`)
    where documents have no dense embeddings; `BudgetSpent` and what else ends a run.

    >>> retrieve_by_model(reviews, "sarcastic praise", settings, method="sae")  # doctest: +SKIP
    """
    asked = PhraseAsked(
        collection=collection,
        phrase=phrase,
        k=k,
        method=method,
        options=options or ChoosingOptions(),
    )

    async def ask() -> ModelRetrieval:
        name = run or f"retrieve {collection.selection}"
        async with LanguageModel(settings, run=name, cache=cache) as model:
            return await retrieved_by_model(asked, model, told)

    return asyncio.run(ask())


def estimate_retrieval(
    collection: Collection,
    phrase: str,
    settings: LanguageSettings,
    *,
    method: Method = RetrieveQuery.method,
    options: ChoosingOptions | None = None,
    cache: Path | str | None = None,
) -> tuple[StageEstimate, ...]:
    """What `retrieve_by_model` would take; labels are read, and nothing is asked."""
    asked = PhraseAsked(
        collection=collection,
        phrase=phrase,
        k=1,
        method=method,
        options=options or ChoosingOptions(),
    )
    stage = StagePrompts(stage=STAGE, prompts=_prompts(asked, asked.candidates()))
    return asking_nothing(settings, cache, lambda model: stage_estimates(model, [stage]))
