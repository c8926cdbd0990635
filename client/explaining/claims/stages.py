"""Stages of what a model is asked: their answers by keys, and what all of them took."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from saelake.explaining.claims.texts import SideText
from saelake.explaining.claims.verdicts import ReadVerdict, TextVerdict
from saelake.language.amounts import Spending
from saelake.language.model import LanguageModel, Reader, ReadReply
from saelake.language.prompts import Prompt
from saelake.language.reading import Unreadable
from saelake.language.replies import Unanswered

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
Told = Callable[[str, int, int], object]  # a stage, how many are done, and of how many


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCount:
    """Of a stage: how many answers were wanted, could not be read, and never came."""

    stage: str
    n_prompts: int
    n_unread: int = 0
    n_unanswered: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAsked:
    """Which model was asked, how often, what it took, and where its replies are kept.

    `said` are the models that the server says that it is. The spending is that of the run's name,
    also in earlier processes. `cost` is None without prices.
    """

    model: str
    base_url: str
    said: tuple[str, ...]
    stages: tuple[StageCount, ...]
    run: str
    spending: Spending
    cost: float | None
    cache: str


@dataclass(slots=True)
class AnswerStage(Generic[K, T]):
    """The answers of a stage by their keys, and how many could not be read or never came."""

    name: str
    n: int
    told: Told | None
    values: dict[K, T]
    why: dict[K, str]
    n_unanswered: int = 0

    @classmethod
    def of(cls, name: str, n: int, told: Told | None) -> "AnswerStage[K, T]":
        """A stage of which nothing is known yet."""
        return cls(name, n, told, {}, {})

    def add(self, key: K, found: ReadReply[T] | Unanswered) -> list[str]:
        """Keep what came; the models that said it."""
        if isinstance(found, Unanswered):
            self.why[key], self.n_unanswered = found.reason, self.n_unanswered + 1
        elif isinstance(found.value, Unreadable):
            self.why[key] = found.value.reason
        else:
            self.values[key] = found.value
        if self.told is not None:
            self.told(self.name, len(self.values) + len(self.why), self.n)
        return [] if isinstance(found, Unanswered) else [reply.model for reply in found.replies]

    @property
    def count(self) -> StageCount:
        """How many there were."""
        n_unread = len(self.why) - self.n_unanswered
        return StageCount(
            stage=self.name, n_prompts=self.n, n_unread=n_unread, n_unanswered=self.n_unanswered
        )


class AskedStages:
    """Asks a model stage by stage, and counts what came of each."""

    def __init__(self, model: LanguageModel, told: Told | None = None) -> None:
        self._model, self._told = model, told
        self._counts: list[StageCount] = []
        self._said: set[str] = set()

    async def ask(
        self, name: str, prompts: Sequence[tuple[K, Prompt]], reader: Reader[T]
    ) -> AnswerStage[K, T]:
        """The answers of a stage. Raises what ends a run; see `LanguageModel.ask_and_read`."""
        stage: AnswerStage[K, T] = AnswerStage.of(name, len(prompts), self._told)
        async for key, found in self._model.read_all(prompts, reader):
            self._said.update(stage.add(key, found))
        self._counts.append(stage.count)
        return stage

    async def asked(self) -> ModelAsked:
        """What was asked so far, and what it took."""
        settings, spending = self._model.settings, await self._model.spent()
        return ModelAsked(
            model=settings.model,
            base_url=settings.base_url,
            said=tuple(sorted(self._said)),
            stages=tuple(self._counts),
            run=self._model.run,
            spending=spending,
            cost=None if settings.prices is None else spending.cost,
            cache=str(self._model.cache),
        )


def text_verdict(text: SideText, stage: AnswerStage[K, ReadVerdict], key: K) -> TextVerdict:
    """What a judge said of a text in the answer of this key, if it said anything."""
    found = stage.values.get(key)
    return TextVerdict(
        doc=text.doc,
        id=text.id,
        side=text.side,
        unit=text.unit,
        holds=None if found is None else found.holds,
        quote="" if found is None else found.quote,
        why=stage.why.get(key, ""),
    )
