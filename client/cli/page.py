"""The command that shows a lake in a browser."""

import os
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from saelake.cli.options.lake import (
    DEFAULT_LAKE,
    AtOption,
    CaOption,
    CertOption,
    DiskCacheBytesOption,
    DiskCacheOption,
    KeyOption,
    LakeOption,
    ServerOption,
    TokenFileOption,
    one_place,
    read_token,
    target_of,
)
from saelake.cli.show.screen import say
from saelake.connection import TOKEN_VARIABLE, disk_cache_of
from saelake.making.quantities import parse_size
from saelake.store.errors import extra
from saelake.store.wire.address import Address


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Serve")(page)


def page(
    *,
    ctx: typer.Context,
    lake: LakeOption = None,
    server: ServerOption = None,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    at: AtOption = None,
    disk_cache: DiskCacheOption = None,
    disk_cache_bytes: DiskCacheBytesOption = None,
    port: Annotated[int, typer.Option(help="Which port; 0 takes a free one.")] = 8051,
    opens: Annotated[
        bool, typer.Option("--open/--no-open", help="Whether to open a browser.")
    ] = True,
) -> None:
    """Look at a lake in a browser, until Ctrl-C: features, documents, comparisons.

    Only this machine may look, and whoever uses it may: at a server's lake with your token, if you
    give one. Without one the page asks for it. For a team, `saelake serve --http`.

    Examples: `saelake page --lake lake`, `saelake page --server localhost:50051`
    """
    lake, server = one_place(ctx, lake, server)
    address = Address(port=port)
    if server:
        target = target_of(server, secure=bool(ca or cert))
        token = read_token(token_file) or os.environ.get(TOKEN_VARIABLE)
        _show(target, address, opens=opens, token=token, ca=ca, certificate=cert, key=key, at=at)
        return
    n_bytes = parse_size(disk_cache_bytes) if disk_cache_bytes else None
    _serve(lake or DEFAULT_LAKE, address, at, disk_cache, n_bytes, opens=opens)


def _show(target: str, address: Address, *, opens: bool, **given: str | Path | None) -> None:
    """Show the lake of a server."""
    with extra("web", "The page"):
        from saelake.web.lakes import Lakes
        from saelake.web.serving import serve_web
        from saelake.web.settings import WebSettings
    lakes = Lakes(target, **given)  # type: ignore[arg-type]  # each by its name
    serve_web(lakes, WebSettings(address=address), lambda url: _say(url, opens=opens))


def _serve(
    uri: str,
    address: Address,
    at: str | None,
    disk_cache: Path | None,
    n_bytes: int | None,
    *,
    opens: bool,
) -> None:
    """Show a lake that is in reach, by a server of this process."""
    with extra("web", "The page"):
        from saelake.web.serving import WebDoor
    with extra("store", "A lake in this process"):
        from saelake.store.service.serve import ServerSettings, serve
        from saelake.store.service.signals import leave
        from saelake.texts import model_texts
    settings = ServerSettings(
        uri=uri,
        at=at,
        address=Address(port=0),
        texts=model_texts(),
        disk_cache=disk_cache_of(uri, disk_cache, n_bytes),
        apart=True,
        rehearses=True,
        doors=(WebDoor(address=address),),
    )
    if not serve(settings, on_open=lambda taken: _say(f"http://{taken}/", opens=opens)):
        leave()


def _say(url: str, *, opens: bool) -> None:
    say(f"Look at {url}    (Ctrl-C stops)")
    if opens:
        webbrowser.open(url)
