"""Commands about who may ask a server: token create, certificate, list, rotate, revoke."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer
from rich.table import Table

from saelake.cli.options.lake import FormatOption
from saelake.cli.show.screen import answer, out, say
from saelake.making.quantities import parse_age
from saelake.store.errors import InvalidInput
from saelake.store.format.visible import escaped
from saelake.store.requests.request import Right
from saelake.store.service.access.certificates import subject_of
from saelake.store.service.access.register import Grant, Register, now_utc
from saelake.store.service.access.register_file import change, read_register

PANEL = "Serve"

TokensOption = Annotated[
    Path,
    typer.Option(help="The file of tokens, outside of every lake.", envvar="SAELAKE_TOKENS"),
]
NameArgument = Annotated[str, typer.Argument(help="Who it is for, as a person or a program.")]
RightOption = Annotated[Right, typer.Option(help="What it allows; each includes those before it.")]
CorpusOption = Annotated[
    list[str] | None, typer.Option(help="A corpus that it is for; may be repeated. [default: all]")
]
ExpiresOption = Annotated[
    str | None, typer.Option(help="How long it is good, as 12h or 90d. [default: for ever]")
]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    tokens = typer.Typer(no_args_is_help=True, help="Who may ask a server: make and end tokens.")
    for command in (create, certificate, rotate, revoke):
        tokens.command()(command)
    tokens.command("list")(listed)
    app.add_typer(tokens, name="token", rich_help_panel=PANEL)


def create(
    name: NameArgument,
    *,
    tokens: TokensOption,
    right: RightOption = "read",
    corpus: CorpusOption = None,
    expires: ExpiresOption = None,
) -> None:
    """Make a token, and print it, once: what is kept does not tell it.

    Example: `saelake token create ana --corpus reviews --expires 90d --tokens tokens.json`
    """
    grant = _grant(name, right, corpus, expires)
    print(change(tokens, lambda register: register.issued(grant)))
    say(f"This token is not shown again. It is for {grant.name}, who may {_said(grant)}.")


def certificate(
    name: NameArgument,
    *,
    subject: Annotated[
        str, typer.Option(help="A common name, as CN=ana, or a URI, as spiffe://example.com/ana.")
    ],
    tokens: TokensOption,
    right: RightOption = "read",
    corpus: CorpusOption = None,
    expires: ExpiresOption = None,
) -> None:
    """Say what whoever shows a certificate with this subject may do, in place of a token.

    Example: `saelake token certificate ana --subject CN=ana --right label --tokens tokens.json`
    """
    grant, named = _grant(name, right, corpus, expires), subject_of(subject)
    change(tokens, lambda register: (register.certified(grant, named), None))
    say(f"Done: who shows a certificate of {named} is {grant.name}, who may {_said(grant)}.")


def rotate(
    name: NameArgument,
    *,
    tokens: TokensOption,
    overlap: Annotated[
        str, typer.Option(help="How long the former token is good yet, as 0h or 7d.")
    ] = "1d",
    expires: ExpiresOption = None,
) -> None:
    """Make another token for a name, and print it; the former is good a while yet.

    It lasts as long as the former was made for, if --expires says nothing else.

    Example: `saelake token rotate ana --overlap 2h --tokens tokens.json`
    """
    until, yet, now = _until(expires), parse_age(overlap), now_utc()
    print(change(tokens, lambda register: register.rotated(name, now, yet, until)))
    say(f"This token is not shown again. The former of {name} is good for {overlap} yet.")


def revoke(name: NameArgument, *, tokens: TokensOption) -> None:
    """End all tokens and certificates of a name; a server knows a second later.

    Example: `saelake token revoke ana --tokens tokens.json`
    """
    change(tokens, lambda register: (register.revoked(name), None))
    say(f"Done: {name} may do nothing any more.")


def listed(*, tokens: TokensOption, format: FormatOption = "table") -> None:  # noqa: A002
    """Who may ask what, and until when. Tokens are not shown: only hashes of them are kept.

    Example: `saelake token list --tokens tokens.json`
    """
    rows = _rows(read_register(tokens))
    answer(
        format,
        rows,
        document=lambda: {"grants": rows.to_pylist()},
        show=lambda: out.print(_table(rows)),
    )


def _grant(name: str, right: Right, corpora: list[str] | None, expires: str | None) -> Grant:
    return Grant(
        name=name,
        right=right,
        corpora=tuple(corpora or ()),
        created=now_utc(),
        expires=_until(expires),
    )


def _until(expires: str | None) -> datetime | None:
    if expires is None:
        return None
    lasts = parse_age(expires)
    if not lasts:
        raise InvalidInput("A token that is good for no time is none: write 12h or 90d.")
    return now_utc() + lasts


def _said(grant: Grant) -> str:
    of = "all corpora" if not grant.corpora else " and ".join(grant.corpora)
    until = "" if grant.expires is None else f" until {grant.expires:%Y-%m-%d %H:%M} UTC"
    return f"{grant.right} in {of}{until}"


def _rows(register: Register) -> pa.Table:
    by = [f"token sl_{entry.token.id}_…" for entry in register.tokens]
    by += [f"certificate {entry.subject}" for entry in register.certificates]
    grants = list(register.grants())
    return pa.table(
        {
            "name": pa.array([g.name for g in grants], pa.string()),
            "by": pa.array(by, pa.string()),
            "right": pa.array([g.right for g in grants], pa.string()),
            "corpora": pa.array([list(g.corpora) for g in grants], pa.list_(pa.string())),
            "created": pa.array([g.created for g in grants], pa.timestamp("s", "UTC")),
            "expires": pa.array([g.expires for g in grants], pa.timestamp("s", "UTC")),
            "expired": pa.array([not g.holds(now_utc()) for g in grants], pa.bool_()),
        }
    )


def _table(rows: pa.Table) -> Table:
    shown = Table(*("name", "by", "right", "corpora", "expires"), box=None, header_style="bold")
    for row in rows.to_pylist():
        corpora = ", ".join(row["corpora"]) or "all"
        expires = "never" if row["expires"] is None else f"{row['expires']:%Y-%m-%d %H:%M}"
        expires += " (expired)" if row["expired"] else ""
        shown.add_row(*map(escaped, (row["name"], row["by"], row["right"], corpora, expires)))
    return shown
