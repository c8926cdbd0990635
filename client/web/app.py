"""The application: its pages, its API, tools for agents, and what guards them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from saelake.store.errors import SaelakeError
from saelake.store.wire.versions import own_version
from saelake.web.api import changes, questions, version
from saelake.web.asking import BrowserLeft
from saelake.web.failures import broken, failed, gone, refused, unreadable
from saelake.web.lakes import Lakes
from saelake.web.look.templates import compile_all
from saelake.web.pages import (
    api,
    collection,
    compare,
    document,
    documents,
    encode,
    feature,
    features,
    groups,
    labels,
    lake,
    lists,
    maps,
    sign_in,
    tokens,
    values,
)
from saelake.web.security import Guard
from saelake.web.settings import WebSettings

if TYPE_CHECKING:
    from saelake.web.agents.http import ToolRoutes

STATIC = Path(__file__).with_name("static")
PAGES = (
    lake,
    collection,
    features,
    feature,
    tokens,
    values,
    documents,
    document,
    encode,
    compare,
    groups,
    maps,
    labels,
    lists,
    sign_in,
    api,
)
API = (questions, changes, version)

FAILURES: Mapping[type[Exception], Any] = {
    SaelakeError: failed,
    RequestValidationError: unreadable,
    HTTPException: refused,
    BrowserLeft: gone,
    Exception: broken,
}


def application(lakes: Lakes, settings: WebSettings) -> FastAPI:
    """What an ASGI server serves."""
    tools = _tools(lakes, settings)

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        compile_all()
        async with AsyncExitStack() as closing:
            closing.push_async_callback(lakes.close)
            if tools is not None:
                await closing.enter_async_context(tools.running())
            yield

    app = FastAPI(
        title="saelake",
        version=own_version(),
        docs_url=None,  # its page fetches scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        lifespan=living,
    )
    app.state.lakes, app.state.settings = lakes, settings
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    for module in PAGES:
        app.include_router(module.router, include_in_schema=False)
    for part in API:
        app.include_router(part.router)
    if tools is not None:
        app.router.routes.extend(tools.routes)
    for kind, answer in FAILURES.items():
        app.add_exception_handler(kind, answer)
    app.add_middleware(Guard, settings=settings)
    return app


def _tools(lakes: Lakes, settings: WebSettings) -> "ToolRoutes | None":
    """Tools for agents, where what they need is installed."""
    if find_spec("mcp") is None:
        return None
    from saelake.web.agents.http import routes_for

    return routes_for(lakes, settings)
