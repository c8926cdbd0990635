"""The command that serves a lake."""

import os
from pathlib import Path
from typing import Annotated

import typer

from saelake.cli.options.lake import (
    DEFAULT_LAKE,
    DiskCacheBytesOption,
    DiskCacheOption,
    LakeOption,
    read_token,
)
from saelake.cli.show.screen import say
from saelake.connection import TOKEN_VARIABLE, disk_cache_of
from saelake.quantities import parse_size
from saelake.store.errors import extra
from saelake.texts import model_texts

ACCESS = "Who may ask"


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Serve")(serve)


def serve(
    *,
    lake: LakeOption = None,
    disk_cache: DiskCacheOption = None,
    disk_cache_bytes: DiskCacheBytesOption = None,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Which port; 0 takes a free one.")] = 50051,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with the token that clients must send, or the variable SAELAKE_TOKEN.",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    cert: Annotated[
        Path | None, typer.Option(help="Certificate (PEM) for TLS.", rich_help_panel=ACCESS)
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="The certificate's key (PEM).", rich_help_panel=ACCESS)
    ] = None,
    client_ca: Annotated[
        Path | None,
        typer.Option(
            help="Clients must have a certificate that this one (PEM) signed.",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Let other machines ask without either.", rich_help_panel=ACCESS
        ),
    ] = False,
) -> None:
    """Answer questions over gRPC, until Ctrl-C.

    Only this machine may ask, unless the server is protected: by a token and TLS, or by mTLS.

    Example: `saelake serve --lake lake`, and elsewhere `saelake info --server localhost:50051`
    """
    with extra("store", "A server"):
        from saelake.store.service.auth import Access
        from saelake.store.service.serve import Address, ServerSettings
        from saelake.store.service.serve import serve as run
    token = read_token(token_file) or os.environ.get(TOKEN_VARIABLE) or None
    uri = lake or DEFAULT_LAKE
    n_bytes = parse_size(disk_cache_bytes) if disk_cache_bytes else None
    settings = ServerSettings(
        uri=uri,
        address=Address(host=host, port=port),
        access=Access(
            token=token, certificate=cert, key=key, client_ca=client_ca, insecure=insecure
        ),
        texts=model_texts(),
        disk_cache=disk_cache_of(uri, disk_cache, n_bytes),
    )
    scheme = "grpcs://" if cert else ""
    run(
        settings,
        on_ready=lambda address: say(
            f"Serving {settings.uri} on {address}. Ask with: saelake info --server "
            f"{scheme}{address}    (Ctrl-C stops)"
        ),
    )
