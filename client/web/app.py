"""The application: its pages, its API, and what guards them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from saelake.store.errors import SaelakeError
from saelake.store.wire.versions import own_version
from saelake.web.failures import failed
from saelake.web.lakes import Lakes
from saelake.web.pages import labels, lake
from saelake.web.security import Guard
from saelake.web.settings import WebSettings

STATIC = Path(__file__).with_name("static")
PAGES = (lake, labels)


def application(lakes: Lakes, settings: WebSettings) -> FastAPI:
    """What an ASGI server serves."""

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        yield
        await lakes.close()

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
    app.add_exception_handler(SaelakeError, failed)  # type: ignore[arg-type]
    app.add_middleware(Guard, settings=settings)
    return app
