"""What a server takes of changes: `POST /api/v1/changes/set-labels` with JSON, and who may is its
to say.

Commands with rows (documents, files of labels) are sent by `saelake` or Python, which stream them;
a job is looked at by `GET /api/v1/jobs`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from fastapi.security import HTTPBearer
from starlette.responses import Response

from saelake.store.requests.commands.command import Command
from saelake.store.wire.commands import COMMANDS
from saelake.web.api.fields import model_of, value_of
from saelake.web.api.questions import json_answer
from saelake.web.api.schemas import failures
from saelake.web.asking import AskedLake, asked

CHANGES: Mapping[str, type[Command]] = {
    re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower(): kind
    for name, kind in COMMANDS.items()
    if not kind.has_rows and name != "WatchJob"
}

router = APIRouter(prefix="/api/v1/changes", dependencies=[Depends(HTTPBearer(auto_error=False))])


def _telling(kind: type[Command]) -> Callable[..., Any]:
    """A handler that has a command done."""

    async def tell(request: Request, found: AskedLake, given: Any) -> Response:
        command = value_of(kind, given.model_dump(exclude_unset=False))
        return json_answer(asdict(await asked(request, found.transport.tell(command))))

    tell.__annotations__["given"] = Annotated[model_of(kind, "body"), Body()]
    return tell


for _name, _kind in CHANGES.items():
    _said = "\n".join(line.strip() for line in (_kind.__doc__ or "").splitlines())
    router.add_api_route(
        f"/{_name}",
        _telling(_kind),
        methods=["POST"],
        name=_name,
        operation_id=_name,
        summary=_said.partition("\n")[0],
        description=f"{_said}\n\nNeeds the right `{_kind.right}`, on a server that allows it.",
        responses={200: {"description": "What was done."}, **failures()},
        tags=["changes"],
        response_class=Response,
    )
