"""The command that serves a lake."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from saelake.cli.options.access import access_options
from saelake.cli.options.configured import (
    CheckOption,
    ConfigOption,
    ConfiguredCommand,
    PrintConfigOption,
)
from saelake.cli.options.lake import (
    DEFAULT_LAKE,
    AtOption,
    DiskCacheBytesOption,
    DiskCacheOption,
    LakeOption,
)
from saelake.cli.options.lifetime import lifetime_options
from saelake.cli.options.limits import limit_options
from saelake.cli.options.ray import PANEL, cpu_cluster_options
from saelake.cli.options.shared import shares
from saelake.cli.options.telemetry import telemetry_options
from saelake.cli.options.web import web_options
from saelake.cli.show.screen import complain, say
from saelake.connection import disk_cache_of
from saelake.making.quantities import parse_size
from saelake.served.owners import ray_owners
from saelake.store.errors import InvalidInput, SaelakeError, extra
from saelake.store.service.lifetime import Lifetime
from saelake.store.service.limits import Limits
from saelake.store.service.telemetry.settings import Telemetry
from saelake.texts import JOB_PROGRAM, model_texts
from saelake.workers.fleet.ray_cluster import RayCluster

if TYPE_CHECKING:
    from saelake.store.service.access.protection import Access
    from saelake.web.serving import WebDoor

CHANGES = "What may be changed"


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(cls=ConfiguredCommand, rich_help_panel="Serve")(serve)


@shares("limits", limit_options)
@shares("telemetry", telemetry_options)
@shares("lifetime", lifetime_options)
@shares("web", web_options)
@shares("access", access_options)
@shares("cluster", cpu_cluster_options)
def serve(
    *,
    lake: LakeOption = None,
    disk_cache: DiskCacheOption = None,
    disk_cache_bytes: DiskCacheBytesOption = None,
    at: AtOption = None,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Which port; 0 takes a free one.")] = 50051,
    processes: Annotated[
        int, typer.Option(help="How many processes answer on the port, each on a core.", min=1)
    ] = 1,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RIGHT",
            help="Also take changes: label (what features are called), encode (documents, and jobs "
            "that encode, index, embed, label and make maps), admin (delete, drop, replace, tag, "
            "compact, repair, clean up). May be repeated.",
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
    sentence_model: Annotated[
        str | None,
        typer.Option(
            help="With which sentence model jobs embed a corpus that was not embedded before: a "
            "folder or a hub id.",
            rich_help_panel=CHANGES,
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            help="What each worker keeps of what it read, as 512MiB or 8GiB. [default: 1GiB]",
            rich_help_panel=PANEL,
        ),
    ] = None,
    config: ConfigOption = None,
    check: CheckOption = False,
    print_config: PrintConfigOption = False,
    access: "Access",
    web: "WebDoor | None",
    cluster: RayCluster | None,
    limits: Limits,
    lifetime: Lifetime,
    telemetry: Telemetry,
) -> None:
    """Answer questions over gRPC, and take changes where that is allowed, until Ctrl-C.

    Only this machine may ask, unless the server is protected: by tokens and TLS, or by mTLS.
    With --http a page is shown too, and the questions are answered as JSON, to those who may ask,
    with tools for agents at /mcp where saelake[mcp] is installed.
    With --ray workers on a cluster answer with it, each from what it keeps in memory.
    Each option is a variable too (SAELAKE_SERVE_PORT), and a line of the file that --config names.

    Example: `saelake serve --lake lake`, and elsewhere `saelake info --server localhost:50051`
    """
    del config, print_config  # which `ConfiguredCommand` has done
    with extra("store", "A server"):
        from saelake.store.service.changes import Allowed, allowed_rights
        from saelake.store.service.check import hindrances
        from saelake.store.service.processes import serve_all
        from saelake.store.service.serve import Address, ServerSettings
        from saelake.store.service.signals import leave
    if memory is not None and cluster is None:
        raise InvalidInput("--memory is of workers on a Ray cluster: give --ray too.")
    uri = lake or DEFAULT_LAKE
    n_bytes = parse_size(disk_cache_bytes) if disk_cache_bytes else None
    settings = ServerSettings(
        uri=uri,
        at=at,
        address=Address(host=host, port=port),
        access=access,
        limits=limits,
        texts=model_texts(),
        disk_cache=disk_cache_of(uri, disk_cache, n_bytes),
        telemetry=telemetry,
        lifetime=lifetime,
        apart=True,
        rehearses=True,
        processes=processes,
        allowed=Allowed(
            rights=allowed_rights(allow or ()), hub=allow_hub, sentence_model=sentence_model
        ),
        job_program=JOB_PROGRAM,
        doors=() if web is None else (web,),
    )
    if check:
        _say_hindrances(hindrances(settings))
        return
    scheme = "grpcs://" if access.certificate else ""

    def ready(address: Address) -> None:
        how = f" Ask with: saelake info --server {scheme}{address}    (Ctrl-C stops)"
        tell(f"Serving {settings.uri} on {address}.", how)

    def opened(address: Address) -> None:
        tell(f"Its page is {'https' if scheme else 'http'}://{address}/.")

    def tell(what: str, how: str = "") -> None:
        if telemetry.log and telemetry.log.layout == "json":  # for programs that read each line
            logging.getLogger("saelake.server").info("%s", what)
            return
        say(f"{what}{how}")

    with ExitStack() as closing:
        if cluster is not None:
            owners = ray_owners(cluster, None if memory is None else parse_size(memory))
            closing.callback(owners.close)
            settings = replace(settings, executor=owners)
        whole = serve_all(settings, on_ready=ready, on_open=opened)
    if not whole:
        leave()


def _say_hindrances(found: Sequence[SaelakeError]) -> None:
    for error in found:
        complain(str(error))
    if found:
        raise typer.Exit(1)
    say("Nothing hinders this server.")
