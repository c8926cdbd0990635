"""A language model: it is asked, its replies are kept, and a run stays within its budget."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakValueDictionary

from saelake.language.amounts import PICO, Spending, amount
from saelake.language.courses import Course, RunBudget
from saelake.language.dialects import Dialect
from saelake.language.estimates import Estimating, RunEstimate, most, most_prompt_tokens
from saelake.language.faults import Endurance, RequestFault, error_of
from saelake.language.flow import Flow, Source, awaited
from saelake.language.ledger import Ledger, PromptAsked
from saelake.language.prompts import Prompt
from saelake.language.reading import Unreadable, told
from saelake.language.replies import Reply, Unanswered
from saelake.language.settings import LanguageSettings, default_cache
from saelake.language.writing import LedgerThread
from saelake.store.errors import BudgetSpent, SaelakeError, Unavailable, extra

if TYPE_CHECKING:
    from saelake.language.received import ReceivedAnswer

K = TypeVar("K")
T = TypeVar("T")
Reader = Callable[[Prompt, Reply], T | Unreadable]  # `by_schema` is one


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReply(Generic[T]):
    """What an answer was read as: a value, or that it was `Unreadable` twice; and all replies."""

    value: T | Unreadable
    replies: tuple[Reply, ...]


class LanguageModel:
    """A model of a server, asked under the name of a run; `async with` opens and closes it.

    Replies are kept in the folder `cache` (default: see `default_cache`), each before it is given:
    a prompt that has one there is asked no more, by whatever run, and costs nothing. `run` names
    what is counted together, also over several processes and days: the budget is for that.

    Raises `MissingExtra`, and `InvalidInput` or `Corrupt` for a folder that replies cannot be in.
    """

    def __init__(
        self,
        settings: LanguageSettings,
        *,
        run: str,
        cache: Path | str | None = None,
        _first: "LanguageModel | None" = None,
    ) -> None:
        with extra("explain", "Asking a language model"):
            from saelake.language.speaking import Speaker
        self._settings, self._first = settings, _first
        self._speaker = Speaker(settings)
        self._dialect = Dialect()
        self._endurance = Endurance(settings.most_failures)
        self._alone: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        if _first is None:
            self._within = RunBudget(run=run, budget=settings.budget)
            self._ledger = LedgerThread(default_cache() if cache is None else Path(cache))
            self._places = asyncio.Semaphore(settings.concurrency)
        else:
            self._within, self._ledger = _first._within, _first._ledger
            self._places = _first._places

    def beside(self, settings: LanguageSettings) -> "LanguageModel":
        """Another model in the same run: both keep to the bound and the budget of this one.

        Close it before this one.
        """
        return LanguageModel(settings, run=self._within.run, _first=self)

    @property
    def settings(self) -> LanguageSettings:
        """Which model it is, and how it is asked."""
        return self._settings

    @property
    def cache(self) -> Path:
        """The file of the replies."""
        return self._ledger.path

    @property
    def run(self) -> str:
        """Under which name it is asked, and counted."""
        return self._within.run

    async def __aenter__(self) -> "LanguageModel":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, and the ledger when all is written."""
        await self._speaker.close()
        if self._first is None:
            await asyncio.to_thread(self._ledger.close)

    async def ask(self, prompt: Prompt) -> Reply:
        """The reply, kept or new.

        Raises `BudgetSpent` before what could pass the budget; after the last attempt
        `Unavailable`; at once what no further attempt would change: `AccessDenied`, `NotFound`,
        `LimitExceeded`, `InvalidInput`.
        """
        found = await self.try_ask(prompt)
        if isinstance(found, Unanswered):
            raise Unavailable(f"No answer of {self._settings.base_url}: {found.reason}.")
        return found

    async def try_ask(self, prompt: Prompt) -> Reply | Unanswered:
        """The reply, kept or new, or why there is none.

        Raises what ends a run; see `ask`, and `most_failures` in `LanguageSettings`.
        """
        asked = self._asked(prompt)
        # One prompt twice at once is asked once: the second finds the reply of the first.
        async with self._alone.setdefault(asked.prompt, asyncio.Lock()), self._places:
            course = self._course(asked, prompt)
            kept = await course.take()
            if kept is not None:
                return kept
            try:
                return await self._told(prompt, course)
            finally:
                course.lost()  # where nothing else was told of the attempt

    async def ask_and_read(self, prompt: Prompt, reader: Reader[T]) -> ReadReply[T] | Unanswered:
        """The answer as a value. One that cannot be read is asked for again, told what was wrong.

        `reader` makes the value of a prompt and its reply, or says why not. Raises what ends a run.
        """
        first = await self.try_ask(prompt)
        if isinstance(first, Unanswered):
            return first
        value = reader(prompt, first)
        if not isinstance(value, Unreadable):
            return ReadReply(value=value, replies=(first,))
        second = await self.try_ask(told(prompt, first, value))
        if isinstance(second, Unanswered):
            return ReadReply(value=value, replies=(first,))
        return ReadReply(value=reader(prompt, second), replies=(first, second))

    async def ask_all(
        self, prompts: Source[tuple[K, Prompt]]
    ) -> AsyncGenerator[tuple[K, Reply | Unanswered], None]:
        """The replies to prompts, each with its key, as they come.

        `concurrency` are under way, or wait to be taken from here; `prompts` is gone on with only
        as there is room, one ahead. Raises what ends a run: what is under way is cancelled then;
        but where the budget is spent, its replies are given before. Every reply that came is kept.
        """

        async def work(item: tuple[K, Prompt]) -> tuple[K, Reply | Unanswered]:
            return item[0], await self.try_ask(item[1])

        flow = Flow(prompts, work, self._settings.concurrency, (BudgetSpent,))
        async for result in flow.results():
            yield result

    async def read_all(
        self, prompts: Source[tuple[K, Prompt]], reader: Reader[T]
    ) -> AsyncGenerator[tuple[K, ReadReply[T] | Unanswered], None]:
        """The answers to prompts as values, each with its key; see `ask_and_read` and `ask_all`."""

        async def work(item: tuple[K, Prompt]) -> tuple[K, ReadReply[T] | Unanswered]:
            return item[0], await self.ask_and_read(item[1], reader)

        flow = Flow(prompts, work, self._settings.concurrency, (BudgetSpent,))
        async for result in flow.results():
            yield result

    async def estimate(self, prompts: Source[tuple[K, Prompt]]) -> RunEstimate:
        """What asking the prompts would take; nothing is asked."""
        server, model = self._settings.base_url, self._settings.model
        measured = await self._written(lambda ledger: ledger.measured(server, model))
        total, seen = Estimating(measured, self._settings.prices), set[str]()
        async for _, prompt in awaited(prompts):
            asked = self._asked(prompt)
            is_asked = asked.prompt not in seen and await self.kept(prompt) is None
            seen.add(asked.prompt)
            total.add(prompt, is_asked=is_asked)
        return total.total()

    async def spent(self) -> Spending:
        """What all that was asked under the run's name took so far."""
        return await self._written(lambda ledger: ledger.spent(self._within.run))

    async def kept(self, prompt: Prompt) -> Reply | None:
        """The reply that is on disk; None where the prompt was not answered yet."""
        asked = self._asked(prompt)
        return await self._written(lambda ledger: ledger.reply(asked))

    async def _written(self, work: Callable[[Ledger], T]) -> T:
        return await asyncio.wrap_future(self._ledger.submit(work))

    def _asked(self, prompt: Prompt) -> PromptAsked:
        return PromptAsked(
            server=self._settings.base_url, model=self._settings.model, prompt=prompt.hash
        )

    def _course(self, asked: PromptAsked, prompt: Prompt) -> Course:
        atmost = most(prompt, self._settings.prices)
        return Course(self._ledger, asked, self._within, atmost, self._settings.timeout_s)

    async def _told(self, prompt: Prompt, course: Course) -> Reply | Unanswered:
        """The answer of the server, kept. Raises what ends a run."""
        while True:
            dialect = self._dialect
            said = await self._speaker.say(prompt, dialect, course)
            if not isinstance(said, RequestFault):
                self._endurance.answered()
                return await self._kept(prompt, course, *said)
            other = dialect.after(said.status or 0, said.said, prompt)
            if other is None:
                return self._failed(said)
            if self._dialect == dialect:  # no other prompt has learnt it meanwhile
                self._dialect = other

    def _failed(self, fault: RequestFault) -> Unanswered:
        if self._endurance.ends(fault):
            raise _ended(error_of(fault, self._settings), self._ledger.path)
        return Unanswered(reason=fault.reason, status=fault.status)

    async def _kept(
        self, prompt: Prompt, course: Course, answer: "ReceivedAnswer", seconds: float
    ) -> Reply:
        is_counted = answer.n_prompt_tokens is not None and answer.n_completion_tokens is not None
        n_prompt = answer.n_prompt_tokens if is_counted else most_prompt_tokens(prompt)
        n_completion = answer.n_completion_tokens if is_counted else len(answer.text.encode())
        prices = self._settings.prices
        taken = amount(prices, n_prompt or 0, n_completion or 0)
        reply = Reply(
            text=answer.text,
            finish=answer.finish,
            n_prompt_tokens=n_prompt or 0,
            n_completion_tokens=n_completion or 0,
            cost=None if prices is None else taken.pico / PICO,
            seconds=seconds,
            model=answer.model or self._settings.model,
            is_counted=is_counted,
            logprobs=answer.logprobs,
        )
        await course.settle(reply, taken, prompt.n_characters)
        return reply


def _ended(error: SaelakeError, kept: Path) -> SaelakeError:
    return type(error)(
        f"{error.message} The replies so far are kept in {kept}: run it again, and only the others "
        "are asked.",
        **error.data,
    )
