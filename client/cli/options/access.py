"""Options that say who may ask a server."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saelake.cli.options.lake import read_token
from saelake.connection import TOKEN_VARIABLE
from saelake.store.errors import extra

if TYPE_CHECKING:
    from saelake.store.service.access.protection import Access

PANEL = "Who may ask"

ISSUER = "Take the tokens of this issuer too: its URL, as in their claim `iss`."


def access_options(
    *,
    tokens: Annotated[
        Path | None,
        typer.Option(
            help="A file of `saelake token`: who may ask what.",
            envvar="SAELAKE_TOKENS",
            rich_help_panel=PANEL,
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with one token that may do all, or the variable SAELAKE_TOKEN.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    cert: Annotated[
        Path | None, typer.Option(help="Certificate (PEM) for TLS.", rich_help_panel=PANEL)
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="The certificate's key (PEM).", rich_help_panel=PANEL)
    ] = None,
    client_ca: Annotated[
        Path | None,
        typer.Option(
            help="Clients must have a certificate that this one (PEM) signed.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    jwt_issuer: Annotated[str | None, typer.Option(help=ISSUER, rich_help_panel=PANEL)] = None,
    jwt_audience: Annotated[
        str | None, typer.Option(help="Whom they must be for: `aud`.", rich_help_panel=PANEL)
    ] = None,
    jwt_keys: Annotated[
        str | None,
        typer.Option(
            help="Its public keys: a file (PEM or JWKS), or the https:// address of a JWKS.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Let other machines ask without any of these.", rich_help_panel=PANEL
        ),
    ] = False,
    audit: Annotated[
        Path | None,
        typer.Option(help="Note each call in this file, as JSON.", rich_help_panel=PANEL),
    ] = None,
    audit_questions: Annotated[
        bool,
        typer.Option(
            "--audit-questions", help="Note whole questions in it.", rich_help_panel=PANEL
        ),
    ] = False,
) -> "Access":
    """How the server is protected. Raises `InvalidInput`."""
    with extra("store", "A server"):
        from saelake.store.service.access.issuer import TrustedIssuer
        from saelake.store.service.access.protection import Access
    issuer = None
    if jwt_issuer or jwt_audience or jwt_keys:
        issuer = TrustedIssuer(
            issuer=jwt_issuer or "", audience=jwt_audience or "", keys=jwt_keys or ""
        )
    return Access(
        token=read_token(token_file) or os.environ.get(TOKEN_VARIABLE) or None,
        tokens=tokens,
        issuer=issuer,
        certificate=cert,
        key=key,
        client_ca=client_ca,
        insecure=insecure,
        audit=audit,
        audit_questions=audit_questions,
    )
