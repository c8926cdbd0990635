"""What a tool is: what it is called, takes and answers, before any protocol."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from saelake.aio.lake import AsyncLake
from saelake.web.agents.arguments import AT, Argument, model_for, schema_of, taken
from saelake.web.agents.asking import Given, Told, ask
from saelake.web.agents.bounds import bounded
from saelake.web.api.fields import Kind
from saelake.web.api.schemas import ROWS, document_schema

Answering = Callable[[AsyncLake, Given], Awaitable[Told]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTool:
    """A tool: its name and `title`, what it is for, its arguments, and what answers it.

    `schema` is that of the answer, whose texts named `whole` are not cut. One that `changes` the
    lake is offered only where that is allowed.
    """

    name: str
    title: str
    about: str
    model: type[BaseModel]
    answer: Answering
    schema: dict[str, Any]
    whole: tuple[str, ...] = ()
    changes: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """The JSON schema of its arguments."""
        return schema_of(self.model)

    async def call(self, lake: AsyncLake, given: Given) -> Told:
        """The answer to these arguments, not too long. Raises `SaelakeError`."""
        values = taken(self.model, given)
        at = values.pop(AT.name, None)
        answer = await self.answer(lake if at is None else lake.as_of(at), values)
        return bounded(answer, *self.whole)


def composed(
    name: str,
    title: str,
    about: str,
    arguments: Sequence[Argument],
    answer: Answering,
    schema: dict[str, Any],
    *,
    whole: tuple[str, ...] = (),
) -> AgentTool:
    """A tool that asks more than one question, or shows only a part of the answer."""
    return AgentTool(
        name=name,
        title=title,
        about=about,
        model=model_for(name, [*arguments, AT]),
        answer=answer,
        schema=schema,
        whole=whole,
    )


def asking(
    name: str,
    title: str,
    about: str,
    kind: Kind,
    arguments: Sequence[Argument],
    **fixed: Callable[[Given], Any],
) -> AgentTool:
    """A tool that is one question.

    Arguments are its fields by their names; `fixed` are fields that are made of other arguments.
    """
    taken_as = {each.name for each in arguments} - set(kind.__dataclass_fields__)

    async def answer(lake: AsyncLake, given: Given) -> Told:
        fields = {name: value for name, value in given.items() if name not in taken_as}
        return await ask(lake, kind, {**fields, **{n: made(given) for n, made in fixed.items()}})

    schema = document_schema(kind, ROWS[kind.question])
    return composed(name, title, about, arguments, answer, schema)
