"""One question of a tool, and its answer: the document that `--format json` prints."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from saelake.aio.lake import AsyncLake
from saelake.answers.answer import Answer, state_of
from saelake.answers.answering import answer_of
from saelake.answers.lookups import Document, Tokens
from saelake.web.agents.arguments import question_of
from saelake.web.api.fields import Kind

STATE = "state"

Given = Mapping[str, Any]
Told = dict[str, Any]


async def ask(lake: AsyncLake, kind: Kind, given: Given) -> Told:
    """The answer to a question with these fields, and of which state of the lake it is."""
    query = question_of(kind, given)
    table = await lake.transport.table(query)
    # A long answer is written while others are asked.
    document = await asyncio.to_thread(_written, query, table)
    return {**document, STATE: state_of(table)}


def _written(query: Any, table: pa.Table) -> Told:
    answer: Answer[Any] | Document = answer_of(query, table)
    document = answer.to_plain()
    if isinstance(answer, Tokens):
        document["hits"] = [
            {**row, "marked": hit.marked} for row, hit in zip(document["hits"], answer, strict=True)
        ]
    return document


def at_state(lake: AsyncLake, document: Told) -> AsyncLake:
    """The lake in the state that an answer is of, for what belongs to that answer."""
    state = document[STATE]
    return lake if state is None else lake.as_of(state)
