"""The command that gives an agent tools over a lake."""

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from saelake.texts import model_texts

if TYPE_CHECKING:
    from saelake.store.service.serve import ServerSettings
    from saelake.web.lakes import Lakes

WHAT = "Tools for agents"


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Serve")(mcp)


def mcp(
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
    http: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            help="Answer over HTTP at /mcp on this port of this machine, in place of standard "
            "input and output; 0 takes a free one.",
        ),
    ] = None,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="Also a tool that labels features.")
    ] = False,
) -> None:
    """Give an agent tools over a lake, by the Model Context Protocol (MCP).

    Programs that host agents start this command, and ask by its standard input. Claude Code:

    `claude mcp add saelake -- saelake mcp --lake /path/of/lake`

    Claude Desktop, and others that read JSON (claude_desktop_config.json):

    `{"mcpServers": {"saelake":
    {"command": "saelake", "args": ["mcp", "--lake", "/path/of/lake"]}}}`

    Paths are whole ones, for hosts start it in a folder of theirs. With --http it goes on until
    Ctrl-C, for whoever uses this machine: `claude mcp add --transport http saelake
    http://localhost:8052/mcp`. A server's lake is asked with your token, or over HTTP with that of
    each caller (`Authorization: Bearer ...`).

    Examples: `saelake mcp --lake lake`, `saelake mcp --server localhost:50051 --http 8052`
    """
    lake, server = one_place(ctx, lake, server)
    if server:
        token = read_token(token_file) or os.environ.get(TOKEN_VARIABLE)
        with extra("mcp", WHAT):
            from saelake.web.lakes import Lakes
        target = target_of(server, secure=bool(ca or cert))
        found = Lakes(target, token=token, ca=ca, certificate=cert, key=key, at=at)
        _ask_server(found, http, changes=allow_changes)
        return
    n_bytes = parse_size(disk_cache_bytes) if disk_cache_bytes else None
    settings = _own_server(lake or DEFAULT_LAKE, at, disk_cache, n_bytes, changes=allow_changes)
    _ask_own(settings, http, changes=allow_changes)


def _ask_server(lakes: "Lakes", http: int | None, *, changes: bool) -> None:
    """Tools over the lake of a server."""
    with extra("mcp", WHAT):
        from saelake.web.agents.http import application_for
        from saelake.web.agents.pipes import serve_pipes
        from saelake.web.serving import serve_web
        from saelake.web.settings import WebSettings
    if http is None:
        serve_pipes(nullcontext(lakes), changes=changes)
        return
    settings = WebSettings(address=Address(port=http))
    serve_web(lakes, settings, _say, application_for(changes=changes))


def _ask_own(settings: "ServerSettings", http: int | None, *, changes: bool) -> None:
    """Tools over a lake that is in reach, by a server of this process."""
    from saelake.store.service.serve import serve
    from saelake.store.service.signals import leave

    with extra("mcp", WHAT):
        from saelake.web.agents.beside import own_lakes
        from saelake.web.agents.http import application_for
        from saelake.web.agents.pipes import serve_pipes
        from saelake.web.serving import WebDoor
    if http is None:
        serve_pipes(own_lakes(settings), changes=changes)
        return
    door = WebDoor(address=Address(port=http), made=application_for(changes=changes))
    whole = serve(replace(settings, doors=(door,)), on_open=lambda taken: _say(f"http://{taken}/"))
    if not whole:
        leave()


def _own_server(
    uri: str, at: str | None, disk_cache: Path | None, n_bytes: int | None, *, changes: bool
) -> "ServerSettings":
    """The server of a lake that is in reach, which takes labels if it takes changes."""
    with extra("store", "A lake in this process"):
        from saelake.store.service.changes import Allowed
        from saelake.store.service.serve import ServerSettings
    return ServerSettings(
        uri=uri,
        at=at,
        address=Address(port=0),
        texts=model_texts(),
        disk_cache=disk_cache_of(uri, disk_cache, n_bytes),
        apart=True,
        rehearses=True,
        allowed=Allowed(rights=frozenset({"label"}) if changes else frozenset()),
    )


def _say(url: str) -> None:
    say(f"Tools for agents are at {url}mcp    (Ctrl-C stops)")
