"""Commands that keep a lake in shape: delete, compact, …, tag, and prefetch into a disk cache."""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import pyarrow as pa
import typer

from saelake.answers.text import several, size
from saelake.cli.options.lake import (
    AtOption,
    CollectionArgument,
    DiskCacheBytesOption,
    DiskCacheOption,
    FormatOption,
    LakeOption,
    changes,
    opened_lake,
)
from saelake.cli.show import lookups
from saelake.cli.show.progress import Counter
from saelake.cli.show.screen import answer, out, say
from saelake.lake import Lake
from saelake.quantities import parse_age
from saelake.store.errors import InvalidInput
from saelake.store.requests.tags import TagsQuery

if TYPE_CHECKING:
    from saelake.store.reports import DeleteReport, Repaired

PANEL = "Maintain"
AskedLake = AbstractContextManager[Lake]
IDS_SHOWN = 10

TargetArgument = Annotated[
    str, typer.Argument(metavar="TARGET", help="A collection (corpus/dictionary), or a corpus.")
]
DictionaryArgument = Annotated[str, typer.Argument(help="A dictionary's name.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (delete, compact, cleanup, replace, drop, tag, tags, untag, prefetch):
        app.command(rich_help_panel=PANEL)(command)


@changes()
def delete(
    corpus: Annotated[str, typer.Argument(help="The corpus, as imdb.")],
    *,
    where: Annotated[str | None, typer.Option(help="Those that fulfil this SQL predicate.")] = None,
    id: Annotated[  # noqa: A002  # what the column is called
        list[str] | None, typer.Option("--id", help="The document with this id; may be repeated.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many it would be.")
    ] = False,
    yes: YesOption = False,
    place: AskedLake,
) -> None:
    """Delete documents: no question finds them any more, in any collection of the corpus.

    It says how many of how many, and asks. Their texts and codes leave the files with `compact`
    and then `cleanup`.

    Examples: `saelake delete imdb --where "label = 'spam'" --dry-run`,
    `saelake delete imdb --where "label = 'spam'" --yes`, `saelake delete imdb --id 17 --id 18`
    """
    with place as opened:
        n_agreed = None
        if dry_run or not yes:
            planned = opened.delete(corpus, where=where, ids=id or (), dry_run=True)
            if dry_run or not planned.n_documents:
                say(f"Nothing was deleted: it would be {counted(planned)}")
                return
            check_agreed(planned)
            n_agreed = planned.n_documents
        report = opened.delete(corpus, where=where, ids=id or (), expect=n_agreed)
    n = f"{report.n_documents:,} of {several(report.n_before, 'document')}"
    say(f"Deleted {n} of {corpus}; it has {report.n_left:,} left")


def counted(planned: "DeleteReport") -> str:
    """How many of how many documents, and the first of them."""
    of = "all" if 1 < planned.n_documents == planned.n_before else f"{planned.n_documents:,} of"
    shown = ", ".join(planned.ids) + ", …" * (planned.n_documents > len(planned.ids))
    first = f" ({shown})" if shown else ""
    return f"{of} {several(planned.n_before, 'document')} of {planned.corpus}{first}"


def check_agreed(planned: "DeleteReport") -> None:
    """Ask whether to delete. Raises `InvalidInput` for no, and where nobody can be asked."""
    if sys.stdin.isatty():
        say(f"To be deleted: {counted(planned)}")
    if not confirmed("Delete them?"):
        raise InvalidInput(
            f"Nothing was deleted: it would be {counted(planned)}. Answer yes, or give --yes to "
            "delete them."
        )


@changes()
def compact(target: TargetArgument, *, place: AskedLake) -> None:
    """Make few large files of many small ones, and take deleted documents out.

    Encoders and readers may go on meanwhile. What was indexed is indexed again where it changed.

    Examples: `saelake compact imdb`, `saelake compact imdb/minilm-l4`
    """
    with place as opened, Counter(f"Compacting {target}", "documents") as counter:
        done = opened.compact(target, on_progress=counter)
    for each in done:
        removed = f", {each.n_removed:,} deleted documents emptied" if each.n_removed else ""
        say(f"{each.table}: {each.n_before:,} fragments are now {each.n_after:,}{removed}")


@changes()
def cleanup(
    *,
    older_than: Annotated[
        str, typer.Option(help="How old a state must be, as 12h, 7d or 2w.")
    ] = "7d",
    unverified: Annotated[
        bool,
        typer.Option(
            "--no-writer-runs",
            help="Also delete young files that were written and not committed. Nobody may be "
            "importing, encoding or indexing meanwhile: it would lose what it writes.",
        ),
    ] = False,
    former_labels: Annotated[
        bool,
        typer.Option(
            "--former-labels",
            help="Also forget what labels were before they were replaced, if that is as old.",
        ),
    ] = False,
    place: AskedLake,
) -> None:
    """Delete files that only states of the past need which are old and have no tag.

    Readers that have had such a state open for that long cannot go on.

    Examples: `saelake cleanup`, `saelake cleanup --older-than 12h`
    """
    with place as opened:
        report = opened.cleanup(
            older_than=parse_age(older_than), unverified=unverified, former_labels=former_labels
        )
    for name in report.retired:
        say(f"Deleted the dictionary that was kept as {name} and has been replaced")
    if former_labels:
        say(f"Forgot {several(report.n_labels, 'former label')}")
    say(f"Deleted {size(report.size_bytes)}")


@changes()
def replace(old: DictionaryArgument, new: DictionaryArgument, *, place: AskedLake) -> None:
    """Let the name OLD mean the collections of NEW, everywhere at once; NEW is free afterwards.

    To encode a corpus again, encode it under another name, and then replace the first.

    Example: `saelake replace minilm-l4 minilm-l4-retrained`
    """
    with place as opened:
        report = opened.replace(old, new)
    say(f"{', '.join(report.collections)}: these are now what {new} encoded")


@changes()
def drop(target: TargetArgument, *, yes: YesOption = False, place: AskedLake) -> None:
    """Delete a collection, or a corpus with all its collections, for good, also from tags.

    Examples: `saelake drop imdb/minilm-l4`, `saelake drop imdb --yes`
    """
    with place as opened:
        if not (yes or confirmed(f"Delete {target} with all earlier states?")):
            raise InvalidInput(f"Nothing was deleted: answer yes, or give --yes to drop {target}.")
        dropped = opened.drop(target)
    say(f"Dropped {', '.join(dropped)}")


def confirmed(question: str) -> bool:
    """Whether somebody at a terminal says yes; nobody does where there is none."""
    if not sys.stdin.isatty():
        return False
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        return False


@changes()
def tag(
    name: Annotated[str, typer.Argument(help="What to call the lake's state.")],
    *,
    forget: Annotated[bool, typer.Option("--delete", hidden=True)] = False,  # now: untag
    place: AskedLake,
) -> None:
    """Name the state that the lake is in: every question can be asked of it later, with --at.

    Examples: `saelake tag paper-v1`, `saelake tokens imdb/minilm-l4 12 --at paper-v1`
    """
    with place as opened:
        if forget:
            forgotten(opened, name)
            return
        made = opened.tag(name)
    say(f"Tagged {made.n_tables:,} tables as {name}")


@changes()
def untag(
    name: Annotated[str, typer.Argument(help="The tag.")],
    *,
    place: AskedLake,
) -> None:
    """Forget a tag; `saelake cleanup` may then delete what only it kept.

    Example: `saelake untag paper-v1`
    """
    with place as opened:
        forgotten(opened, name)


def forgotten(lake: Lake, name: str) -> None:
    """Forget a tag, and say so."""
    lake.untag(name)
    say(f"Forgot the tag {name}")


@changes()
def tags(*, format: FormatOption = "table", place: AskedLake) -> None:  # noqa: A002
    """Which tags there are.

    Example: `saelake tags`
    """
    with place as opened:
        found = opened.tags()
    rows = [{"name": t.name, "created": t.created, "n_tables": t.n_tables} for t in found]
    answer(
        format,
        pa.Table.from_pylist(rows, TagsQuery.answer),
        document=lambda: {"tags": rows},
        show=lambda: out.print(lookups.tags(found)),
    )


def prefetch(
    collection: CollectionArgument,
    *,
    lake: LakeOption = None,
    disk_cache: DiskCacheOption = None,
    disk_cache_bytes: DiskCacheBytesOption = None,
    at: AtOption = None,
) -> None:
    """Fetch a collection's files from an object store into the disk cache.

    Example: `saelake prefetch imdb/minilm-l4 --lake s3://bucket/lake --disk-cache /mnt/nvme`
    """
    opened = opened_lake(lake, disk_cache, disk_cache_bytes, at)
    with opened, Counter(f"Fetching {collection}", "MiB") as counter:
        done = opened.prefetch(
            collection, on_bytes=lambda come, total: counter(come >> 20, total >> 20)
        )
    there = f"; {done.n_present:,} were there" if done.n_present else ""
    left = f"; there was no room for {done.n_left_out:,}" if done.n_left_out else ""
    say(f"Fetched {several(done.n_files, 'file')}, {size(done.n_bytes)}{there}{left}")


def repaired(done: "Repaired") -> str:
    """What was done to a collection, and what is left to do."""
    said = _taken_out("codes", done.documents, done.n_files)
    said += _taken_out("kept activations", done.kept, done.n_kept_files)
    if done.n_segments:
        said.append(f"made {done.n_segments:,} segments of postings again")
    if done.n_blocks:
        said.append(f"made {done.n_blocks:,} blocks of impacts again")
    if done.features:
        said.append("made the statistics of features again")
    return f"Repaired {done.collection}: {'; '.join(said)}"


def _taken_out(what: str, documents: Sequence[str], n_files: int) -> list[str]:
    """What was damaged beyond repair."""
    said = []
    if n_files:
        said.append(f"took out {n_files:,} files of {what} that could not be read")
    if documents:
        shown = ", ".join(documents[:IDS_SHOWN])
        more = f" and {len(documents) - IDS_SHOWN:,} more" * (len(documents) > IDS_SHOWN)
        said.append(f"took out damaged {what} of {shown}{more}")
    return [*said[:-1], f"{said[-1]} (run encode again)"] if said else []
