"""The command that serves a lake."""

import os
from contextlib import ExitStack
from dataclasses import replace
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
from saelake.cli.options.ray import PANEL, ClusterCommand, cpu_cluster_options
from saelake.cli.options.shared import shares
from saelake.cli.show.screen import say
from saelake.connection import TOKEN_VARIABLE, disk_cache_of
from saelake.owners import ray_owners
from saelake.quantities import parse_size
from saelake.store.errors import InvalidInput, extra
from saelake.texts import JOB_PROGRAM, model_texts
from saelake.workers.fleet.ray_cluster import RayCluster

ACCESS, CHANGES = "Who may ask", "What may be changed"


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(cls=ClusterCommand, rich_help_panel="Serve")(serve)


@shares("cluster", cpu_cluster_options)
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
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RIGHT",
            help="Also take changes: label (what features are called), encode (documents and jobs "
            "that encode and index), admin (delete, tag, compact, clean up). May be repeated.",
            rich_help_panel=CHANGES,
        ),
    ] = None,
    allow_hub: Annotated[
        bool,
        typer.Option(
            "--allow-hub",
            help="Let jobs fetch models and dictionaries from the hub.",
            rich_help_panel=CHANGES,
        ),
    ] = False,
    memory: Annotated[
        str | None,
        typer.Option(
            help="What each worker keeps of what it read, as 512MiB or 8GiB. [default: 1GiB]",
            rich_help_panel=PANEL,
        ),
    ] = None,
    cluster: RayCluster | None,
) -> None:
    """Answer questions over gRPC, and take changes where that is allowed, until Ctrl-C.

    Only this machine may ask, unless the server is protected: by a token and TLS, or by mTLS.
    With --ray workers on a cluster answer with it, each from what it keeps in memory.

    Example: `saelake serve --lake lake`, and elsewhere `saelake info --server localhost:50051`
    """
    with extra("store", "A server"):
        from saelake.store.service.auth import Access
        from saelake.store.service.changes import Allowed, allowed_rights
        from saelake.store.service.serve import Address, ServerSettings
        from saelake.store.service.serve import serve as run
    token = read_token(token_file) or os.environ.get(TOKEN_VARIABLE) or None
    if memory is not None and cluster is None:
        raise InvalidInput("--memory is of workers on a Ray cluster: give --ray too.")
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
        allowed=Allowed(rights=allowed_rights(allow or ()), hub=allow_hub),
        job_program=JOB_PROGRAM,
    )
    scheme = "grpcs://" if cert else ""

    def ready(address: Address) -> None:
        say(
            f"Serving {settings.uri} on {address}. Ask with: saelake info --server "
            f"{scheme}{address}    (Ctrl-C stops)"
        )

    with ExitStack() as closing:
        if cluster is not None:
            owners = ray_owners(cluster, None if memory is None else parse_size(memory))
            closing.callback(owners.close)
            settings = replace(settings, executor=owners)
        run(settings, on_ready=ready)
