"""Options that several commands have."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from saelake.arguments import features_in, names_in, weights_in
from saelake.cli.options.shared import Command, shares
from saelake.cli.show.screen import Format
from saelake.collection import Collection
from saelake.connection import RETRIES, SCHEMES, connect
from saelake.lake import Lake
from saelake.making.quantities import parse_size
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.requests.checks import Selection

DEFAULT_LAKE = "lake"
WHERE = "Where the lake is"

LakeOption = Annotated[
    str | None,
    typer.Option(
        "--lake",
        help="A folder or object-store URI. [default: lake]",
        envvar="SAELAKE_LAKE",
        rich_help_panel=WHERE,
    ),
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        help="Ask a server: HOST:PORT, or grpcs://HOST:PORT with TLS; several after commas.",
        envvar="SAELAKE_SERVER",
        rich_help_panel=WHERE,
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        help="A file with the server's token, in place of the variable SAELAKE_TOKEN.",
        rich_help_panel=WHERE,
    ),
]
CaOption = Annotated[
    Path | None, typer.Option(help="Root certificates (PEM) for TLS.", rich_help_panel=WHERE)
]
CertOption = Annotated[
    Path | None, typer.Option(help="Your certificate (PEM) for mTLS.", rich_help_panel=WHERE)
]
KeyOption = Annotated[
    Path | None, typer.Option(help="The certificate's key (PEM).", rich_help_panel=WHERE)
]
RetriesOption = Annotated[
    int,
    typer.Option(
        help="How often a question is asked again that the server does not answer.",
        rich_help_panel=WHERE,
    ),
]
AtOption = Annotated[
    str | None,
    typer.Option(
        help="The lake as it was: a tag, a time as 2026-11-21T10:00, or an answer's state.",
        rich_help_panel=WHERE,
    ),
]
DiskCacheOption = Annotated[
    Path | None,
    typer.Option(
        help="A folder that keeps files of a lake in an object store.",
        envvar="SAELAKE_DISK_CACHE",
        rich_help_panel=WHERE,
    ),
]
DiskCacheBytesOption = Annotated[
    str | None,
    typer.Option(
        help="How much it keeps, as 50GiB. [default: 16GiB]",
        envvar="SAELAKE_DISK_CACHE_BYTES",
        rich_help_panel=WHERE,
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print the answer.")]
WhereOption = Annotated[
    str | None,
    typer.Option(help="Only documents that fulfil this SQL predicate, as in \"label = 'pos'\"."),
]
CollectionArgument = Annotated[
    str, typer.Argument(metavar="COLLECTION", help="corpus/dictionary, as `saelake info` lists.")
]


@contextmanager
def asked_lake(
    *,
    ctx: typer.Context,
    lake: LakeOption = None,
    server: ServerOption = None,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    retries: RetriesOption = RETRIES,
    at: AtOption = None,
    disk_cache: DiskCacheOption = None,
    disk_cache_bytes: DiskCacheBytesOption = None,
) -> Iterator[Lake]:
    """The lake that these options name. Raises `InvalidInput`."""
    lake, server = one_place(ctx, lake, server)
    if server:
        target = target_of(server, secure=bool(ca or cert))
        token = read_token(token_file)
        with connect(
            target, token=token, ca=ca, certificate=cert, key=key, retries=retries, at=at
        ) as found:
            yield found
        return
    with opened_lake(lake, disk_cache, disk_cache_bytes, at) as found:
        yield found


def target_of(server: str, *, secure: bool) -> str:
    """What `saelake.connect` takes for a server that may be named without a scheme."""
    scheme = "grpcs" if secure else "grpc"
    return server if server.startswith(SCHEMES) else f"{scheme}://{server}"


def changes() -> Callable[[Command], Command]:
    """A command that changes a lake, its `place`: by the options of those that ask, but for what
    is of asking alone.
    """
    return shares("place", asked_lake, without=("at", "disk_cache", "disk_cache_bytes"))


def opened_lake(
    lake: str | None, disk_cache: Path | None, disk_cache_bytes: str | None, at: str | None = None
) -> Lake:
    """A lake in this process, with a disk cache if one is named. Raises `InvalidInput`."""
    n_bytes = parse_size(disk_cache_bytes) if disk_cache_bytes else None
    return connect(lake or DEFAULT_LAKE, at=at, disk_cache=disk_cache, disk_cache_bytes=n_bytes)


def one_place(
    ctx: typer.Context, lake: str | None, server: str | None
) -> tuple[str | None, str | None]:
    """At most one of the two: what is typed outweighs what a variable says."""
    if not (lake and server):
        return lake, server
    if _is_typed(ctx, "lake") == _is_typed(ctx, "server"):
        raise InvalidInput("Give --lake or --server, not both (nor both variables).")
    return (lake, None) if _is_typed(ctx, "lake") else (None, server)


def _is_typed(ctx: typer.Context, option: str) -> bool:
    source = ctx.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def read_token(path: Path | None) -> str | None:
    """The token in a file, without white space around it. Raises `InvalidInput`."""
    if path is None:
        return None
    try:
        token = path.expanduser().read_text().strip()
    except OSError as error:
        raise InvalidInput(f"Cannot read the token in {path}: {error.strerror}.") from error
    if not token:
        raise InvalidInput(f"The token file {path} is empty.")
    return token


def selected(lake: Lake, text: str) -> Collection:
    """The documents in `corpus/dictionary where PREDICATE`. Raises `InvalidInput`."""
    selection = Selection.parse(text)
    collection = lake[selection.collection]
    return collection if selection.where is None else collection.where(selection.where)


def narrowed(lake: Lake, name: str, where: str | None) -> Collection:
    """The documents of a collection that a filter keeps, if there is one."""
    return lake[name] if where is None else lake[name].where(where)


def named_documents(
    collection: Collection, ids: Sequence[str], docs: Sequence[str]
) -> tuple[list[str], list[int]]:
    """Documents by id and by number.

    What is no number is an id, which `--doc` was for before. Raises `InvalidInput` for a number
    that is another document's id, because it is not clear which of the two is meant.
    """
    old = [text for text in docs if not text.isdecimal()]
    for text in docs:
        if text.isdecimal() and _number_of(collection, text) not in (None, int(text)):
            raise InvalidInput(
                f"--doc {text} is the document of this number, and another document has the id "
                f"{text!r}: name either by its id, with --id."
            )
    return [*ids, *old], [int(text) for text in docs if text.isdecimal()]


def _number_of(collection: Collection, name: str) -> int | None:
    try:
        return collection.document(name, features=()).doc
    except NotFound:
        return None


def split_weights(text: str | None) -> dict[str, float] | None:
    """The features and numbers in `12:1.0,-30:0.5`. Raises `InvalidInput`."""
    return None if text is None else weights_in(text)


def split_names(texts: list[str] | None) -> tuple[str, ...]:
    """The names in `length,source`, of an option that may be repeated."""
    return tuple(name for text in texts or () for name in names_in(text))


def split_numbers(text: str | None) -> list[str] | None:
    """The features in `12,-34`. Raises `InvalidInput`."""
    return None if text is None else features_in(text)
