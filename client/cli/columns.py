"""Commands about columns of documents that come after the import."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from saelake.answers.text import several
from saelake.cli.options.lake import changes
from saelake.cli.show.screen import say
from saelake.lake import Lake
from saelake.store.errors import InvalidInput

PANEL = "Build"
AskedLake = AbstractContextManager[Lake]
CorpusArgument = Annotated[str, typer.Argument(metavar="CORPUS", help="The corpus, as imdb.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(rich_help_panel=PANEL)(annotate)


@changes()
def annotate(
    corpus: CorpusArgument,
    *,
    file: Annotated[
        Path | None,
        typer.Option(help="Values by document id: CSV, JSON lines or Parquet."),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(help="Only this column. [default: all of the file's but the ids]"),
    ] = None,
    id_column: Annotated[str, typer.Option(help="Which column has the ids.")] = "id",
    known_only: Annotated[
        bool, typer.Option("--known-only", help="Leave out rows whose id no document has.")
    ] = False,
    replace_imported: Annotated[
        bool, typer.Option("--replace-imported", help="Also over what came with the documents.")
    ] = False,
    about: Annotated[
        str | None, typer.Option(help="What `saelake info` is to say of the columns.")
    ] = None,
    drop: Annotated[
        bool, typer.Option("--drop", help="Take --column out again, in place of setting values.")
    ] = False,
    imported: Annotated[
        bool, typer.Option("--imported", help="With --drop, also one that came with documents.")
    ] = False,
    place: AskedLake,
) -> None:
    """Give documents a column that they were not imported with; filters find them by it.

    A column that is there keeps what it has for documents that the file does not name.

    Examples: `saelake annotate imdb --file verdicts.csv`,
    `saelake annotate imdb --column sarcastic --file verdicts.jsonl --known-only`,
    `saelake annotate imdb --column sarcastic --drop`
    """
    if drop == (file is not None) or (drop and column is None):
        raise InvalidInput("Give a --file of values, or --drop with the --column that is to go.")
    if imported and not drop:
        raise InvalidInput(
            "--imported is of --drop: over imported values it is --replace-imported."
        )
    with place as found:
        if drop:
            assert column is not None
            gone = found.drop_column(corpus, column, imported=imported)
            say(f"Dropped {column} of {corpus}" if gone.was_there else f"{corpus} has no {column}")
            return
        assert file is not None
        done = found.annotate(
            corpus,
            file,
            column=column,
            id_column=id_column,
            known_only=known_only,
            replace_imported=replace_imported,
            about=about,
        )
    names = ", ".join(done.columns)
    say(f"Done: {names} of {several(done.n_documents, 'document')} of {corpus}")
    if done.n_unknown:
        shown = ", ".join(map(repr, done.unknown)) + (", …" * (done.n_unknown > len(done.unknown)))
        say(f"{several(done.n_unknown, 'row')} left out, of no document: {shown}")
