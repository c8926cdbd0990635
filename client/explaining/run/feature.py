"""One feature: its explanation is asked for and read, and then all its scores at once."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from saelake.explaining.evidence import FeatureEvidence
from saelake.explaining.explainers import explaining
from saelake.explaining.replies import explanation, explanation_in_json
from saelake.explaining.run.explained import (
    ExplainedFeature,
    FeatureOutcome,
    JudgedScore,
    LabelOrigin,
    ScoringWay,
    UnexplainedFeature,
)
from saelake.explaining.run.judgements import FoundScore, Judgement, by_embedding, judgement
from saelake.explaining.run.options import ExplainOptions
from saelake.explaining.run.writing import StandingLabel
from saelake.explaining.scores.estimates import UNKNOWN
from saelake.language.model import LanguageModel, ReadReply
from saelake.language.prompts import Prompt
from saelake.language.reading import Unreadable
from saelake.language.replies import Reply, Unanswered
from saelake.store.errors import BudgetSpent
from saelake.store.format.lists import Array

T = TypeVar("T")
HELD_BACK_ALL = "all documents in which it fires are held back to score by"
NOTHING_TO_TELL = FoundScore(estimate=UNKNOWN)  # of a feature without enough documents held back


@dataclass(slots=True)
class ReplyCount:
    """How many replies a run had, and how many of them it had before."""

    n_replies: int = 0
    n_cached: int = 0

    def add(self, replies: Iterable[Reply]) -> None:
        """Count replies."""
        for reply in replies:
            self.n_replies += 1
            self.n_cached += reply.is_cached


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureWork:
    """What a model and a judge do about each feature; `given` are labels that are only scored.

    Where a budget is spent, `ended` has why: no other feature is to be begun.
    """

    model: LanguageModel
    judge: LanguageModel
    options: ExplainOptions
    explainer: str
    given: Mapping[str, StandingLabel] | None = None
    embed: Callable[[Sequence[str]], Array] | None = None
    count: ReplyCount = field(default_factory=ReplyCount)
    ended: list[BudgetSpent] = field(default_factory=list)

    async def outcome(self, evidence: FeatureEvidence) -> FeatureOutcome | None:
        """What becomes of a feature; None where the budget did not hold its explanation.

        Raises what ends a run at once.
        """
        if self.given is not None:
            label = self.given[str(evidence.feature)]
            return await self._scored(evidence, label.label, label.explainer, None)
        if not evidence.firing:
            return UnexplainedFeature(feature=evidence.feature, why="silent", reason=HELD_BACK_ALL)
        try:
            return await self._explained(evidence)
        except BudgetSpent as error:
            self.ended.append(error)
            return None

    async def _explained(self, evidence: FeatureEvidence) -> FeatureOutcome:
        prompt = self.prompt(evidence)
        found = await self._read(self.model, prompt, lambda _, reply: self.label_of(reply))
        if isinstance(found, Unanswered):
            return UnexplainedFeature(feature=evidence.feature, why="failed", reason=found.reason)
        if isinstance(found.value, Unreadable):
            reason = found.value.reason
            return UnexplainedFeature(feature=evidence.feature, why="unreadable", reason=reason)
        made = LabelOrigin.of(
            found.replies,
            prompt=prompt.hash,
            examples=tuple(window.id for window in evidence.shown),
            time=datetime.now(UTC),
        )
        return await self._scored(evidence, found.value, self.explainer, made)

    def prompt(self, evidence: FeatureEvidence) -> Prompt:
        """The one that asks for the explanation."""
        o = self.options
        return explaining(
            evidence,
            o.way,
            thoughts=o.thoughts,
            max_tokens=o.max_tokens,
            temperature=o.temperature,
            seed=o.seed,
        )

    def label_of(self, reply: Reply) -> str | Unreadable:
        """The explanation in a reply."""
        read = explanation_in_json if self.options.way == "passages" else explanation
        found = read(reply.text)
        if isinstance(found, Unreadable) and reply.is_cut_off:
            n = reply.n_completion_tokens
            return Unreadable(reason=f"it was cut off after {n} tokens, and {found.reason}")
        return found

    # -- Scores.

    async def _scored(
        self, evidence: FeatureEvidence, label: str, explainer: str, made: LabelOrigin | None
    ) -> ExplainedFeature:
        found = await together(self._score(way, evidence, label) for way in self.options.scores)
        known = [score for score in found if isinstance(score, JudgedScore)]
        return ExplainedFeature(
            feature=evidence.feature,
            label=label,
            explainer=explainer,
            scores=tuple(score for score in known if score.estimate.is_known),
            made=made,
            is_scored=len(known) == len(found),
        )

    async def _score(
        self, way: ScoringWay, evidence: FeatureEvidence, label: str
    ) -> JudgedScore | None:
        """The score of a label; None where an answer is missing."""
        if way == "embedding":
            found: FoundScore | None = await self._by_embedding(evidence, label)
        else:
            asked = judgement(way, evidence, label)
            if asked is None:
                return self._judged(way, evidence, NOTHING_TO_TELL)
            found = await self._answered(asked)
        return None if found is None else self._judged(way, evidence, found)

    def _judged(self, way: ScoringWay, evidence: FeatureEvidence, found: FoundScore) -> JudgedScore:
        by = self.judge.settings.model if way != "embedding" else self.options.sentence_model
        return JudgedScore(
            kind=way,
            estimate=found.estimate,
            chance=found.chance,
            n_unread=found.n_unread,
            by=by or "",
            on=evidence.collection,
        )

    async def _answered(self, asked: Judgement) -> FoundScore | None:
        values = await together(
            self._value(asked, at, prompt) for at, prompt in enumerate(asked.prompts)
        )
        return None if any(value is None for value in values) else asked.score(values)

    async def _value(self, asked: Judgement, at: int, prompt: Prompt) -> Any:
        """What a judge's reply says, or that it is `Unreadable`; None where there is none."""
        try:
            found = await self._read(self.judge, prompt, lambda _, reply: asked.read(at, reply))
        except BudgetSpent as error:
            self.ended.append(error)
            return None
        return None if isinstance(found, Unanswered) else found.value

    async def _by_embedding(self, evidence: FeatureEvidence, label: str) -> FoundScore:
        assert self.embed is not None
        return await asyncio.to_thread(by_embedding, evidence, label, self.embed)

    async def _read(
        self, model: LanguageModel, prompt: Prompt, reader: Callable[[Prompt, Reply], Any]
    ) -> ReadReply[Any] | Unanswered:
        found = await model.ask_and_read(prompt, reader)
        if isinstance(found, ReadReply):
            self.count.add(found.replies)
        return found


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What all of them give, in order. Raises what one of them does, and cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
