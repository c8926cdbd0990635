"""A run over features: evidence, explanations and scores beside each other, labels as they come.

There is no barrier between stages: a feature's scores are asked for when its explanation was read,
and in all no more requests are under way than the model's settings allow. Evidence is read ahead,
by a thread. Whatever ends a run, what is done is written, and the same run goes on from there:
replies are kept, so that it asks only for what it had not.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from saelake.collection import Collection
from saelake.explaining.evidence import FeatureEvidence
from saelake.explaining.reading import EvidenceReader
from saelake.explaining.run.ahead import Ahead
from saelake.explaining.run.batches import LabelBatches
from saelake.explaining.run.chosen import FeatureChoice
from saelake.explaining.run.estimating import SAMPLED, ExplainEstimate, estimated
from saelake.explaining.run.explained import ExplainedFeature, FeatureOutcome, UnexplainedFeature
from saelake.explaining.run.feature import FeatureWork
from saelake.explaining.run.options import ExplainOptions
from saelake.explaining.run.report import ExplainReport
from saelake.explaining.run.writing import StandingLabel, standing_labels, write_labels
from saelake.language.amounts import Amount, Spending
from saelake.language.flow import Flow
from saelake.language.model import LanguageModel
from saelake.language.settings import LanguageSettings
from saelake.store.errors import InvalidInput, SaelakeError
from saelake.store.format.lists import Array
from saelake.store.requests.commands.labels import check_explainer
from saelake.texts import model_texts

SILENT = "it fires in no document that was asked about"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainProgress:
    """How far a run is: features done of all, and labels written."""

    n_done: int
    n_total: int
    n_written: int


Watch = Callable[[ExplainProgress], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainRun:
    """A run: whose features, by which model, judged by which (None: the model itself), and how.

    `name` is what is counted together, also over several processes and days: the budget is for
    that. `only_scored` is whose labels are scored, where none are made.
    """

    collection: Collection
    model: LanguageSettings
    judge: LanguageSettings | None = None
    options: ExplainOptions = field(default_factory=ExplainOptions)
    choice: FeatureChoice = field(default_factory=FeatureChoice)
    only_scored: str | None = None
    cache: Path | str | None = None
    name: str | None = None
    watch: Watch | None = None

    def __post_init__(self) -> None:
        if self.only_scored is not None and not self.options.scores:
            raise InvalidInput("Labels are to be scored: say in which ways.")

    @property
    def explainer(self) -> str:
        """Who is said to have made the labels."""
        return self.only_scored or self.options.explainer or self.model.model

    @property
    def run_name(self) -> str:
        """What is counted together."""
        verb = "explain" if self.only_scored is None else "score"
        return self.name or f"{verb} {self.collection.name} as {self.explainer}"

    async def report(self) -> ExplainReport:
        """Ask, score and write. Where the budget is spent the report says so; other errors that end
        a run are raised when what is done is written.
        """
        begun = time.monotonic()
        async with self._opened() as (work, names):
            before = await work.model.spent()
            doing = _Doing(run=self, work=work, names=names)
            await doing.all()
            spent = await work.model.spent()
        stopped = work.ended[0].message if work.ended else None
        return ExplainReport(
            collection=self.collection.name,
            explainer=self.explainer,
            n_chosen=len(names),
            outcomes=_in_order(names, doing.outcomes, is_whole=stopped is None),
            n_written=doing.n_written,
            spent=spent,
            taken=_since(before, spent),
            n_replies=work.count.n_replies,
            n_cached=work.count.n_cached,
            seconds=time.monotonic() - begun,
            stopped=stopped,
        )

    async def estimate(self) -> ExplainEstimate:
        """What it would take; nothing is asked."""
        async with self._opened() as (work, names):
            step = max(len(names) // SAMPLED, 1)
            async with self.evidence(names[::step][:SAMPLED]) as ahead:
                return await estimated(work, ahead.items(), len(names))

    def evidence(self, names: Sequence[str]) -> Ahead[FeatureEvidence]:
        """The evidence for features, read ahead."""
        reader = EvidenceReader(self.collection, self.options.shown)
        return Ahead(iter(reader.read(names)), self.model.concurrency)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[tuple[FeatureWork, list[str]]]:
        """What works on features, and which features there are to work on."""
        if self.only_scored is None:
            check_explainer(self.explainer)
        names = await asyncio.to_thread(self.choice.of, self.collection)
        by = self.explainer
        there = dict(await asyncio.to_thread(standing_labels, self.collection, names, by))
        given = self._given(there, names)
        async with AsyncExitStack() as stack:
            model = LanguageModel(self.model, run=self.run_name, cache=self.cache)
            await stack.enter_async_context(model)
            judge = model if self.judge is None else model.beside(self.judge)
            if judge is not model:
                await stack.enter_async_context(judge)
            work = FeatureWork(
                model=model,
                judge=judge,
                options=self.options,
                explainer=self.explainer,
                given=given,
                standing=there,
                embed=self._embed(),
            )
            yield work, [name for name in names if given is None or name in given]

    def _given(
        self, there: dict[str, StandingLabel], names: Sequence[str]
    ) -> dict[str, StandingLabel] | None:
        """The labels that are only scored; None where new ones are made."""
        if self.only_scored is None:
            return None
        if names and not there:
            raise InvalidInput(
                f"None of these features has a label by {self.only_scored!r}: `saelake labels "
                f"{self.collection.name}` says by whom there are some.",
                explainer=self.only_scored,
            )
        return there

    def _embed(self) -> Callable[[Sequence[str]], Array] | None:
        name = self.options.sentence_model
        if name is None:
            return None
        texts = model_texts()
        if texts is None:
            raise InvalidInput(
                "A sentence model is run in this process, which has none: pip install "
                "'saelake[workers]', or score in other ways."
            )
        return partial(texts.embed, name)


@dataclass(slots=True, kw_only=True)
class _Doing:
    """A run under way."""

    run: ExplainRun
    work: FeatureWork
    names: Sequence[str]
    outcomes: list[FeatureOutcome] = field(default_factory=list)
    n_written: int = 0

    async def all(self) -> None:
        """Work on all features. Raises what ended it, when what is done is written."""
        writing = partial(write_labels, self.run.collection)
        batches = LabelBatches(writing)
        try:
            try:
                await self._each(batches)
            finally:
                await batches.close()
        except SaelakeError as error:
            raise self._told(error, batches.n_written) from error
        finally:
            self.n_written = batches.n_written
            self._watched(batches.n_written)

    async def _each(self, batches: LabelBatches) -> None:
        async with self.run.evidence(self.names) as ahead:
            source = self._until_ended(ahead)
            flow = Flow(source, self.work.outcome, self.run.model.concurrency)
            async with aclosing(flow.results()) as results:
                async for outcome in results:
                    if outcome is not None:
                        self.outcomes.append(outcome)
                        if isinstance(outcome, ExplainedFeature) and self._is_for_lake(outcome):
                            await batches.add(outcome)
                        self._watched(batches.n_written)

    def _is_for_lake(self, outcome: ExplainedFeature) -> bool:
        """Whether there is something to write."""
        return outcome.is_new and (outcome.made is not None or bool(outcome.scores))

    async def _until_ended(
        self, ahead: Ahead[FeatureEvidence]
    ) -> AsyncGenerator[FeatureEvidence, None]:
        """Features to begin with, until a budget is spent."""
        async with aclosing(ahead.items()) as items:
            async for evidence in items:
                if self.work.ended:
                    return
                yield evidence

    def _watched(self, n_written: int) -> None:
        if self.run.watch is not None:
            done = len(self.outcomes)
            self.run.watch(
                ExplainProgress(n_done=done, n_total=len(self.names), n_written=n_written)
            )

    def _told(self, error: SaelakeError, n_written: int) -> SaelakeError:
        written = f"{n_written:,} labels by {self.run.explainer} are written."
        return type(error)(f"{error.message} {written}", **error.data)


def _in_order(
    names: Sequence[str], outcomes: Sequence[FeatureOutcome], *, is_whole: bool
) -> tuple[FeatureOutcome, ...]:
    """The outcomes in the order of the features; of a whole run also those without evidence."""
    found = {str(outcome.feature): outcome for outcome in outcomes}
    silent = {
        name: UnexplainedFeature(feature=name, why="silent", reason=SILENT)
        for name in (names if is_whole else ())
    }
    whole = {**silent, **found}
    return tuple(whole[name] for name in names if name in whole)


def _since(before: Spending, now: Spending) -> Spending:
    """What was spent in between."""
    return replace(
        now,
        n_requests=now.n_requests - before.n_requests,
        n_prompt_tokens=now.n_prompt_tokens - before.n_prompt_tokens,
        n_completion_tokens=now.n_completion_tokens - before.n_completion_tokens,
        pico=now.pico - before.pico,
        n_lost=now.n_lost - before.n_lost,
        lost=Amount(
            n_tokens=now.lost.n_tokens - before.lost.n_tokens,
            pico=now.lost.pico - before.lost.pico,
        ),
    )
