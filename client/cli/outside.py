"""The command that imports codes which another system made."""

from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from saelake.answers.text import several
from saelake.cli.options.lake import changes
from saelake.cli.options.shared import shares
from saelake.cli.show.screen import say
from saelake.cli.show.stages import Bars, added, besides, finished
from saelake.lake import Lake
from saelake.making.sources import shown
from saelake.making.stages import Stage, watched
from saelake.store.reports import OnDuplicate

if TYPE_CHECKING:
    from saelake.store.reports import ImportCodesReport

PANEL = "Build"
AskedLake = AbstractContextManager[Lake]
READ, MADE = "What is read", "What the collection is"

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="JSON lines ({id, vector: {feature: value}}), Parquet, a SciPy CSR matrix (.npz), a "
        "folder of delphi's cache, or - for JSON lines on standard input; or a pattern.",
    ),
]
NameArgument = Annotated[
    str, typer.Argument(metavar="COLLECTION", help="CORPUS/NAME: what to call it.")
]
IdColumnOption = Annotated[
    str | None,
    typer.Option(help="The column with the ids. [default: id]", rich_help_panel=READ),
]
TextColumnOption = Annotated[
    str | None,
    typer.Option(
        help="The column with texts of documents that the corpus lacks; that of the ids, where ids "
        "are all that there is. [default: text or content, if there is one]",
        rich_help_panel=READ,
    ),
]
VectorColumnOption = Annotated[
    str | None,
    typer.Option(
        help="The column with the vectors. [default: vector; or indices and values]",
        rich_help_panel=READ,
    ),
]
IdsOption = Annotated[
    str | None,
    typer.Option(help="Of a matrix: a file with the id of each row.", rich_help_panel=READ),
]
ByNumberOption = Annotated[
    bool,
    typer.Option(
        "--by-number",
        help="Of a matrix: row i is of document i of the corpus.",
        rich_help_panel=READ,
    ),
]
TokenizerOption = Annotated[
    str | None,
    typer.Option(
        help="Of delphi's cache: the tokenizer's folder. [default: texts are token ids]",
        rich_help_panel=READ,
    ),
]
KeysOption = Annotated[
    Literal["names", "numbers"] | None,
    typer.Option(
        help="What features are called by. [default: numbers, where all look like that]",
        rich_help_panel=READ,
    ),
]
DuplicateOption = Annotated[
    OnDuplicate,
    typer.Option(
        help="A document that has another vector: skip it and say so, update it, or fail.",
        rich_help_panel=READ,
    ),
]
UnknownOption = Annotated[
    Literal["fail", "skip"],
    typer.Option(help="A row that is of no document: fail, or skip it.", rich_help_panel=READ),
]
UnitOption = Annotated[
    Literal["token", "span", "document"] | None,
    typer.Option(
        help="What a row is: spans and tokens have start and end. [default: document]",
        rich_help_panel=MADE,
    ),
]
WidthOption = Annotated[
    int | None,
    typer.Option(
        help="How many features there are, or will be. [default: as the vectors have]",
        rich_help_panel=MADE,
    ),
]
SignedOption = Annotated[
    bool | None,
    typer.Option(
        "--signed/--unsigned",
        help="Whether values may be below 0: each feature has two poles then. [default: unsigned]",
        rich_help_panel=MADE,
    ),
]
ValuesOption = Annotated[
    Literal["16-bit", "8-bit"] | None,
    typer.Option(
        help="How values are stored: within 0.05 % in 16 bits, 4.4 % in 8. [default: 16-bit]",
        rich_help_panel=MADE,
    ),
]
MadeByOption = Annotated[
    str | None,
    typer.Option(help="What made the codes, for people.", rich_help_panel=MADE),
]


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("import-codes", rich_help_panel=PANEL)(import_codes)


def codes_options(
    *,
    unit: UnitOption = None,
    width: WidthOption = None,
    signed: SignedOption = None,
    values: ValuesOption = None,
    made_by: MadeByOption = None,
    keys: KeysOption = None,
    id_column: IdColumnOption = None,
    text_column: TextColumnOption = None,
    vector_column: VectorColumnOption = None,
    ids: IdsOption = None,
    by_number: ByNumberOption = False,
    tokenizer: TokenizerOption = None,
    on_duplicate: DuplicateOption = "skip",
    on_unknown: UnknownOption = "fail",
) -> dict[str, Any]:
    """How to import, as arguments of `Lake.import_codes`."""
    return {
        "unit": unit,
        "width": width,
        "signed": signed,
        "values": values,
        "made_by": made_by,
        "keys": keys,
        "id_column": id_column,
        "text_column": text_column,
        "vector_column": vector_column,
        "ids": ids,
        "by_number": by_number,
        "tokenizer": tokenizer,
        "on_duplicate": on_duplicate,
        "on_unknown": on_unknown,
    }


@changes()
@shares("options", codes_options)
def import_codes(
    file: SourceArgument,
    collection: NameArgument,
    *,
    options: dict[str, Any],
    place: AskedLake,
) -> None:
    """Make a collection of sparse vectors that another system made. No model is needed.

    Documents come with the vectors, or are there already and found by their ids. Run again, it
    continues, and adds what is new; then `saelake index`.

    Examples: `saelake import-codes splade.jsonl articles/splade`,
    `saelake import-codes steps.parquet runs/judge --unit span --signed`,
    `saelake import-codes bm25.npz articles/bm25 --by-number`
    """
    with place as opened:
        importing = partial(opened.import_codes, file, collection, **options)
        with Bars(opened) as bars:
            report = watched(bars, Stage(name="import-codes", of=shown(file)), importing)
        for line in _said(report):
            say(line)
        say(finished(opened, [report.collection]))


def _said(report: "ImportCodesReport") -> list[str]:
    """What became of the rows."""
    said = list(report.notes)
    if (documents := report.documents) is not None:
        said.append(f"Imported {added(documents)} into {documents.corpus}{besides(documents)}")
    if report.n_changed:
        said.append(
            f"{several(report.n_changed, 'document')} had another vector before, and kept it: use "
            "--on-duplicate update to replace what is there"
        )
    if report.n_unknown:
        first = ", ".join(map(repr, report.unknown))
        said.append(f"{several(report.n_unknown, 'row')} of no document left out (first {first})")
    updated = f", {report.n_updated:,} of them in place of others" if report.n_updated else ""
    known = f"; {report.n_known:,} had these already" if report.n_known else ""
    said.append(f"{several(report.n_documents, 'document')} got codes{updated}{known}")
    return said
