"""Judge documents: each is asked about once, and its verdict is a value of a column.

Verdicts are written some hundred at a time, by one commit with their quotes and with what is told
of the column; a run that ends early keeps what was written, and every reply that came is kept in
the ledger (see `language`). Run again, documents that have a verdict are passed over.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from saelake.judging.about import AboutVerdicts, JudgedSelection, VerdictBasis, selected_by
from saelake.judging.excerpts import Excerpts
from saelake.judging.rubrics import Rubric, Verdict
from saelake.judging.scales import YES_NO, VerdictScale
from saelake.judging.spool import ChosenDocument, DocumentSpool, spooled
from saelake.lake import Lake
from saelake.language.amounts import Spending
from saelake.language.estimates import RunEstimate
from saelake.language.model import LanguageModel, ReadReply
from saelake.language.prompts import Prompt
from saelake.language.reading import Unreadable
from saelake.language.replies import Unanswered
from saelake.language.settings import LanguageSettings
from saelake.store.errors import InvalidInput, NotFound

# Verdicts that are written together first, or those of so long; each time it is twice as many, as
# each write is of the columns of all documents. What was not written when a run ends is in the
# ledger.
BATCH, MOST_BATCH = 512, 16_384
WRITE_S, MOST_WRITE_S = 30.0, 600.0
QUOTE = "_quote"

OnJudged = Callable[[int, int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingPlan:
    """What is judged, by what, into which column.

    `question` is a rubric in words over the documents of `corpus` that `where` keeps, or a `sample`
    of so many (of one `seed` always the same). `scale` is yes-no, 1-5, or names after commas.
    Documents longer than `characters` are cut, around where one of the features `around` (a
    collection and their numbers) is strongest, or else from the beginning. Raises `InvalidInput`.
    """

    corpus: str
    question: str
    column: str
    where: str | None = None
    sample: int | None = None
    seed: int = 0
    scale: str = YES_NO
    characters: int = 8000
    around: tuple[str, tuple[str | int, ...]] | None = None

    def __post_init__(self) -> None:
        _ = self.rubric, self.excerpts
        if not self.column.strip():
            raise InvalidInput("Say what the column of verdicts is called: --as NAME.")

    @property
    def rubric(self) -> Rubric:
        """What is asked."""
        return Rubric(self.question, VerdictScale(self.scale))

    @property
    def excerpts(self) -> Excerpts:
        """What is shown of documents."""
        return Excerpts(self.characters, self.around)

    def basis(self, model: str) -> VerdictBasis:
        """What every verdict of the column has in common."""
        around = None
        if self.around is not None:
            around = f"{self.around[0]} {','.join(map(str, self.around[1]))}"
        return VerdictBasis(
            question=self.question.strip(),
            scale=self.scale,
            model=model,
            prompt=self.rubric.hash,
            characters=self.characters,
            around=around,
        )

    def run(self, basis: VerdictBasis) -> str:
        """What its requests are counted under, over several processes and days."""
        digest = hashlib.sha256(repr(sorted(asdict(basis).items())).encode()).hexdigest()[:12]
        return f"judge {self.corpus} {self.column} {digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeReport:
    """What came of a run: of `n_chosen` documents (of `n_selected`) `n_judged` have a verdict now.

    `n_before` had it before. Replies about `n_unreadable` could not be read twice, and
    `n_unanswered` were not answered: they have none, and the latter are asked about by the next
    run. Of `n_unquoted` verdicts the quote that was given is not in the document. `n_cut` documents
    were longer than what was shown, and `n_gone` were deleted or replaced meanwhile. `verdicts`
    counts each; `spending` is of all runs of this rubric into this column.
    """

    corpus: str
    column: str
    selection: JudgedSelection
    n_before: int
    n_gone: int
    verdicts: Mapping[bool | int | str, int]
    spending: Spending

    @property
    def n_judged(self) -> int:
        """How many of the documents have a verdict."""
        return self.selection.n_judged

    @property
    def drawn(self) -> str:
        """Which documents it was over, in words."""
        chosen, selection = self.selection.n_chosen, self.selection
        among = f"{selection.n_selected:,} documents of {self.corpus}"
        among += f" where {selection.where}" if selection.where else ""
        if selection.sample is None or chosen == selection.n_selected:
            return f"all {among}"
        return (
            f"{chosen:,} of {among}, drawn by a hash of the seed {selection.seed} and the "
            "document's number: always the same"
        )


def judge(
    lake: Lake,
    plan: JudgingPlan,
    settings: LanguageSettings,
    *,
    cache: Path | str | None = None,
    on_progress: OnJudged | None = None,
) -> JudgeReport:
    """Ask a model about each document, and write its verdicts and quotes into columns of the lake.

    The columns are `plan.column`, and that name with `_quote`. `on_progress` is told how many of
    how many documents are done. Replies are kept in `cache`, as `LanguageModel` says.

    Raises `Conflict` for a column that has something else, before anything is asked; `NotFound`,
    `InvalidFilter`; and what ends a run of a language model, when all that came is written.
    """
    run = _JudgingRun(lake, plan, settings, cache, on_progress or (lambda _, __: None))
    with run.documents() as spool:
        return asyncio.run(run.judged(spool))


def estimate_judging(
    lake: Lake,
    plan: JudgingPlan,
    settings: LanguageSettings,
    *,
    cache: Path | str | None = None,
) -> RunEstimate:
    """What `judge` would take; nothing is asked or written."""
    run = _JudgingRun(lake, plan, settings, cache, lambda _, __: None)
    with run.documents() as spool:
        return asyncio.run(run.estimate(spool))


@dataclass(slots=True)
class _JudgedSoFar:
    """What was done so far, and what is to be written."""

    counts: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[bool | int | str] = field(default_factory=Counter)
    waiting: list[tuple[ChosenDocument, Verdict]] = field(default_factory=list)
    written_s: float = field(default_factory=time.monotonic)
    batch: int = BATCH
    wait_s: float = WRITE_S

    def add(self, document: ChosenDocument, found: ReadReply[Verdict] | Unanswered) -> None:
        """Count a document, and keep its verdict to be written."""
        if isinstance(found, Unanswered):
            self.counts["n_unanswered"] += 1
        elif isinstance(found.value, Unreadable):
            self.counts["n_unreadable"] += 1
        else:
            self.waiting.append((document, found.value))

    def taken(self) -> "list[tuple[ChosenDocument, Verdict]]":
        """What is to be written now."""
        taken, self.waiting, self.written_s = self.waiting, [], time.monotonic()
        self.batch = min(2 * self.batch, MOST_BATCH)
        self.wait_s = min(2 * self.wait_s, MOST_WRITE_S)
        return taken

    @property
    def is_due(self) -> bool:
        """Whether it is time to write."""
        is_late = time.monotonic() - self.written_s > self.wait_s
        return len(self.waiting) >= self.batch or (is_late and bool(self.waiting))


@dataclass(frozen=True, slots=True, eq=False)
class _AskedDocument:
    """A document, what is asked of it, and what of its text is shown."""

    document: ChosenDocument
    prompt: Prompt
    shown: str


class _JudgingRun:
    """A plan over a lake, with a model."""

    def __init__(
        self,
        lake: Lake,
        plan: JudgingPlan,
        settings: LanguageSettings,
        cache: Path | str | None,
        on_progress: OnJudged,
    ) -> None:
        self._lake, self._plan, self._settings = lake, plan, settings
        self._cache, self._on_progress = cache, on_progress
        self._basis = plan.basis(settings.model)
        self._rubric, self._excerpts = plan.rubric, plan.excerpts
        self._under_way: dict[int, tuple[Prompt, str]] = {}  # what prompts show, by their identity
        self._known = self._told()
        self._tally = _JudgedSoFar()
        self._n_before = 0

    def documents(self) -> AbstractContextManager[DocumentSpool]:
        """The documents of the plan, in a file until the end of the block."""
        plan = self._plan
        rows = self._lake.texts(plan.corpus, where=plan.where, sample=plan.sample, seed=plan.seed)
        return spooled(rows, plan.column)

    async def estimate(self, spool: DocumentSpool) -> RunEstimate:
        """What is left would take."""
        async with self._model() as model:
            return await model.estimate((asked, asked.prompt) for asked in self._asked(spool))

    async def judged(self, spool: DocumentSpool) -> JudgeReport:
        """Ask about what is left, and write it."""
        async with self._model() as model:
            try:
                await self._ask(model, spool)
            finally:
                await self._write(model, spool)
            return self._report(spool, await model.spent())

    async def _ask(self, model: LanguageModel, spool: DocumentSpool) -> None:
        reader = self._rubric.reader(lambda prompt: self._under_way[id(prompt)][1])
        n_done = 0
        async for asked, found in model.read_all(self._prompts(spool), reader):
            del self._under_way[id(asked.prompt)]
            self._tally.add(asked.document, found)
            n_done += 1
            self._on_progress(self._n_before + n_done, spool.n)
            if self._tally.is_due:
                await self._write(model, spool)

    def _prompts(self, spool: DocumentSpool) -> Iterator[tuple["_AskedDocument", Prompt]]:
        for asked in self._asked(spool):
            self._under_way[id(asked.prompt)] = asked.prompt, asked.shown
            yield asked, asked.prompt

    def _asked(self, spool: DocumentSpool) -> Iterator["_AskedDocument"]:
        """The documents without a verdict, and what is asked of them."""
        for document in spool.read():
            self._tally.counts["n_cut"] += len(document.text) > self._plan.characters
            if document.value is not None:
                self._n_before += 1
                self._tally.verdicts[document.value] += 1
                continue
            excerpt = self._excerpts.of(self._lake, document.id, document.text)
            yield _AskedDocument(document, self._rubric.prompt(excerpt), excerpt.text)

    async def _write(self, model: LanguageModel, spool: DocumentSpool) -> None:
        """Write the verdicts that wait, with what is told of the column."""
        taken = self._tally.taken()
        if not taken:
            return
        for _, verdict in taken:
            self._tally.verdicts[verdict.value] += 1
            self._tally.counts["n_judged"] += 1
            self._tally.counts["n_unquoted"] += verdict.is_invented
        spent = await model.spent()
        about = AboutVerdicts(
            basis=self._basis,
            n_requests=spent.n_requests,
            n_tokens=spent.n_tokens,
            cost=spent.cost if spent.pico else None,
            before=self._known,
        ).told(self._selection(spool))
        report = await asyncio.to_thread(
            self._lake.annotate, self._plan.corpus, self._rows(taken), about=about, known_only=True
        )
        self._tally.counts["n_gone"] += report.n_unknown

    def _rows(self, taken: Sequence[tuple[ChosenDocument, Verdict]]) -> pa.Table:
        verdicts = [verdict for _, verdict in taken]
        return pa.table(
            {
                "id": pa.array([document.id for document, _ in taken], pa.string()),
                "doc": pa.array([document.doc for document, _ in taken], pa.uint64()),
                self._plan.column: pa.array([v.value for v in verdicts], self._rubric.scale.type),
                self._plan.column + QUOTE: pa.array([v.quote for v in verdicts], pa.string()),
            }
        )

    def _selection(self, spool: DocumentSpool) -> JudgedSelection:
        plan, counts = self._plan, self._tally.counts
        place = plan.where, plan.sample, None if plan.sample is None else plan.seed
        unquoted = (s["n_unquoted"] for s in self._known if selected_by(s) == place)
        return JudgedSelection(
            where=plan.where,
            sample=plan.sample,
            seed=None if plan.sample is None else plan.seed,
            n_selected=spool.n_selected,
            n_chosen=spool.n,
            n_judged=counts["n_judged"] + self._n_before - counts["n_gone"],
            n_unreadable=counts["n_unreadable"],
            n_unanswered=counts["n_unanswered"],
            n_unquoted=counts["n_unquoted"] + next(unquoted, 0),
            n_cut=counts["n_cut"],
            when=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _report(self, spool: DocumentSpool, spent: Spending) -> JudgeReport:
        return JudgeReport(
            corpus=self._plan.corpus,
            column=self._plan.column,
            selection=self._selection(spool),
            n_before=self._n_before,
            n_gone=self._tally.counts["n_gone"],
            verdicts=dict(self._tally.verdicts),
            spending=spent,
        )

    def _model(self) -> LanguageModel:
        run = self._plan.run(self._basis)
        return LanguageModel(self._settings, run=run, cache=self._cache)

    def _told(self) -> Sequence[Mapping[str, Any]]:
        """The selections that the columns were of before. Raises `Conflict` for other columns."""
        rows = list(self._lake.info([self._plan.corpus]))
        if not rows:
            raise NotFound(f"There is no corpus {self._plan.corpus!r}.", corpus=self._plan.corpus)
        columns = {column.name: column for column in rows[0].columns}
        known: Sequence[Mapping[str, Any]] = ()
        for name in (self._plan.column + QUOTE, self._plan.column):
            told = columns[name].about if name in columns else None
            is_there = name in columns
            known = self._basis.check(name, told, is_there=is_there).get("selections", ())
        return known
