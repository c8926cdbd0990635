"""Every question over HTTP: `GET /api/v1/tokens?collection=…&expression=…`, or POST with JSON.

What reads all that there is (`export`) has no twin here: its answer may have any size, which JSON
cannot be read in parts of, and no link should begin it. `saelake export` and gRPC stream it.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.responses import Response

from saelake.aio.lake import AsyncLake
from saelake.answers.answer import state_of
from saelake.answers.answering import answer_of
from saelake.answers.plain import as_json, plain
from saelake.store.requests import request as requests
from saelake.store.wire.requests import METHODS
from saelake.web.api.fields import Extra, Form, model_of, value_of
from saelake.web.api.schemas import ROWS, STATE, answered
from saelake.web.asking import AskedLake, asked

QUESTIONS: Mapping[str, type[requests.Request]] = {
    kind.question: kind for kind in METHODS.values() if kind.cost != "export"
}
CHOOSING = ("similar", "retrieve", "cluster")  # features that stand for a phrase
AT = Extra(
    name="at",
    type=str | None,
    about="The lake as it was: a tag, a time, or an answer's state.",
)
CHOSEN = Extra(
    name="chosen",
    type=bool,
    default=False,
    about="Also say which features stand for the phrase.",
)

Ask = Callable[..., Any]

router = APIRouter(prefix="/api/v1", dependencies=[Depends(HTTPBearer(auto_error=False))])


def extras(question: str) -> tuple[Extra, ...]:
    """What may be given beside the fields of a question."""
    return (AT, CHOSEN) if question in CHOOSING else (AT,)


def form_of(question: str, form: Form) -> type[BaseModel]:
    """The model of all that may be given with a question."""
    return model_of(QUESTIONS[question], form, *extras(question))


def _asking(question: str, form: Form) -> Ask:
    """A handler that answers a question in this form."""
    kind, model = QUESTIONS[question], form_of(question, form)

    async def ask(request: Request, found: AskedLake, given: Any) -> Response:
        values = given.model_dump()
        query = value_of(kind, values)
        lake = found if values["at"] is None else found.as_of(values["at"])
        told = {"chosen": True} if values.get("chosen") else {}
        return await _answered(request, lake, query, told)

    ask.__annotations__["given"] = Annotated[model, Query() if form == "address" else Body()]
    return ask


async def _answered(
    request: Request, lake: AsyncLake, query: requests.Request, told: Mapping[str, bool]
) -> Response:
    table = await asked(request, lake.transport.table(query))

    def written() -> str:
        answer: Any = answer_of(query, table)
        return as_json(answer.to_plain(**told))

    # A long answer is written while others are asked.
    content = await asyncio.to_thread(written)
    state = state_of(table)
    return Response(content, media_type="application/json", headers={STATE: state} if state else {})


def json_answer(document: Any, status: int = 200) -> Response:
    """A document as it is answered."""
    return Response(as_json(plain(document)), status, media_type="application/json")


def about(question: str) -> str:
    """What a question is, as its request says."""
    return "\n".join(line.strip() for line in (QUESTIONS[question].__doc__ or "").splitlines())


for _question in QUESTIONS:
    for _method, _form in (("GET", "address"), ("POST", "body")):
        router.add_api_route(
            f"/{_question}",
            _asking(_question, _form),  # type: ignore[arg-type]  # one of the two forms
            methods=[_method],
            name=f"{_method.lower()}-{_question}",
            operation_id=f"{_method.lower()}-{_question}",
            summary=about(_question).partition("\n")[0],
            description=about(_question),
            responses=answered(QUESTIONS[_question], ROWS[_question]),
            tags=[QUESTIONS[_question].cost],
            response_class=Response,
        )
