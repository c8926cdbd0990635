"""The command that shows a lake in a browser."""

import threading
import webbrowser
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saelake.cli.options.lake import (
    DEFAULT_LAKE,
    CaOption,
    LakeOption,
    ServerOption,
    TokenFileOption,
    read_token,
)
from saelake.cli.show.screen import say
from saelake.connection import SCHEMES
from saelake.store.errors import InvalidInput, extra
from saelake.store.wire.address import Address

if TYPE_CHECKING:
    from saelake.store.service.serve import BackgroundServer


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Serve")(page)


def page(
    *,
    lake: LakeOption = None,
    server: ServerOption = None,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    port: Annotated[int, typer.Option(help="Which port; 0 takes a free one.")] = 8051,
    opens: Annotated[
        bool, typer.Option("--open/--no-open", help="Whether to open a browser.")
    ] = True,
) -> None:
    """Look at a lake in a browser, until Ctrl-C: features, documents, comparisons.

    Only this machine may look. For a team, `saelake serve --http`.

    Examples: `saelake page --lake lake`, `saelake page --server localhost:50051`
    """
    with extra("web", "The page"):
        from saelake.web.lakes import Lakes
        from saelake.web.serving import WebServer
        from saelake.web.settings import WebSettings
    if lake and server:
        raise InvalidInput("A lake is either here (--lake) or behind a server (--server).")
    with ExitStack() as closing:
        if server:
            target = server if server.startswith(SCHEMES) else _url(server, ca)
            lakes = Lakes(target, token=read_token(token_file), ca=None if ca is None else str(ca))
        else:
            lakes = Lakes(closing.enter_context(_served(lake or DEFAULT_LAKE)).target)
        web = closing.enter_context(WebServer(lakes, WebSettings(address=Address(port=port))))
        say(f"Look at {web.url}    (Ctrl-C stops)")
        if opens:
            webbrowser.open(web.url)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


def _served(uri: str) -> "BackgroundServer":
    with extra("store", "A lake in this process"):
        from saelake.store.service.serve import BackgroundServer, ServerSettings
        from saelake.texts import model_texts
    settings = ServerSettings(
        uri=uri, address=Address(port=0), texts=model_texts(), apart=True, rehearses=True
    )
    return BackgroundServer(settings, until_ready=False)


def _url(server: str, ca: Path | None) -> str:
    return f"grpcs://{server}" if ca else f"grpc://{server}"
