"""The attempts at one prompt: each is in the ledger before it is sent, and settled after."""

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from saelake.language.amounts import Amount, Budget, Spending
from saelake.language.ledger import AskedElsewhere, OverBudget, PromptAsked, Reserved, Taken
from saelake.language.replies import Reply
from saelake.language.writing import LedgerThread
from saelake.store.errors import BudgetSpent

T = TypeVar("T")
# Until another process has its reply, or what is under way was settled and left some of the budget.
LOOK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBudget:
    """A run, and the budget of all that is asked under its name."""

    run: str
    budget: Budget


class Course:
    """A prompt on its way: at most one attempt is under way, and has its place in the ledger."""

    def __init__(
        self,
        ledger: LedgerThread,
        asked: PromptAsked,
        within: RunBudget,
        most: Amount,
        timeout_s: float,
    ) -> None:
        self.timeout_s = timeout_s
        self._ledger, self._asked, self._within, self._most = ledger, asked, within, most
        self._attempt: int | None = None

    async def take(self) -> Reply | None:
        """The reply that is kept; else None, and there is leave to ask. Raises `BudgetSpent`."""
        run, budget = self._within.run, self._within.budget
        while True:
            taken = await self._leave(
                self._ledger.submit(lambda led: led.take(self._asked, run, self._most, budget))
            )
            if isinstance(taken, Reply):
                return taken
            if isinstance(taken, Reserved):
                return None
            await self._wait(taken)

    async def begin(self) -> None:
        """Have leave to send the next attempt. Raises `BudgetSpent`."""
        run, budget = self._within.run, self._within.budget
        while self._attempt is None:
            taken = await self._leave(
                self._ledger.submit(lambda led: led.reserve(self._asked, run, self._most, budget))
            )
            if not isinstance(taken, Reserved):
                await self._wait(taken)

    def refused(self) -> None:
        """That the attempt was not answered, and took nothing."""
        if (attempt := self._ended()) is not None:
            self._ledger.submit(lambda led: led.free(attempt))

    def lost(self) -> None:
        """That the attempt's answer will not come, and nobody knows what it took."""
        if (attempt := self._ended()) is not None:
            self._ledger.submit(lambda led: led.give_up(attempt))

    async def settle(self, reply: Reply, taken: Amount, n_characters: int) -> None:
        """Keep the reply; it is on disk when this returns, and also if nobody waits for that."""
        attempt, run = self._ended(), self._within.run
        if attempt is not None:
            await asyncio.wrap_future(
                self._ledger.submit(
                    lambda led: led.settle(attempt, self._asked, run, reply, taken, n_characters),
                    is_lasting=True,
                )
            )

    async def _leave(self, asked: "Future[Taken]") -> Taken:
        """What the ledger says; an attempt that nobody waits for any more is freed."""
        try:
            taken = await asyncio.wrap_future(asked)
        except asyncio.CancelledError:
            asked.add_done_callback(self._free)
            raise
        if isinstance(taken, Reserved):
            self._attempt = taken.attempt
        return taken

    def _free(self, asked: "Future[Taken]") -> None:
        if asked.exception() is None and isinstance(taken := asked.result(), Reserved):
            self._ledger.submit(lambda led: led.free(taken.attempt))

    async def _wait(self, taken: "OverBudget | AskedElsewhere | Reply") -> None:
        if isinstance(taken, OverBudget) and not taken.for_now:
            raise await self._spent()
        await asyncio.sleep(LOOK_AGAIN_S)

    async def _spent(self) -> BudgetSpent:
        run = self._within.run
        spent = await asyncio.wrap_future(self._ledger.submit(lambda led: led.spent(run)))
        return _budget_spent(self._within, spent, self._most, self._ledger)

    def _ended(self) -> int | None:
        attempt, self._attempt = self._attempt, None
        return attempt


def _budget_spent(
    within: RunBudget, spent: Spending, most: Amount, ledger: LedgerThread
) -> BudgetSpent:
    return BudgetSpent(
        f"The next request of {within.run!r} may take {most.n_tokens:,} tokens, which could pass "
        f"its budget of {within.budget}. So far: {spent}. The replies are kept in "
        f"{ledger.path}: run it again with a larger budget, and only the others are asked.",
        run=within.run,
        budget=within.budget,
    )
