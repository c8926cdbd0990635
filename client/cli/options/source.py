"""What is read by an import, and how."""

from typing import Annotated, Any

import typer

from saelake.store.reports import OnDuplicate

PANEL = "What is read"

SourceArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Parquet, JSON lines, CSV, a folder of one of them or of text files, "
        "hf://owner/name:split, or - for standard input. Several, or a pattern as 'part-*.csv'.",
    ),
]
TextColumnOption = Annotated[
    str, typer.Option(help="The column with the texts.", rich_help_panel=PANEL)
]
IdColumnOption = Annotated[
    str | None,
    typer.Option(
        help="The column with the ids. [default: id or doc_id; else file and row number]",
        rich_help_panel=PANEL,
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="parquet, jsonl, csv, tsv or text, when the name does not tell.",
        rich_help_panel=PANEL,
    ),
]
SplitOption = Annotated[
    str | None, typer.Option(help="The split of a data set.", rich_help_panel=PANEL)
]
DelimiterOption = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER",
        help="What separates values of CSV: a character, or semicolon, tab, pipe. [default: what "
        "the first line shows]",
        rich_help_panel=PANEL,
    ),
]
EncodingOption = Annotated[
    str | None,
    typer.Option(
        help="The encoding of text formats, as latin-1 or utf-16. [default: utf-8]",
        rich_help_panel=PANEL,
    ),
]
DuplicateOption = Annotated[
    OnDuplicate,
    typer.Option(
        "--on-duplicate",
        help="A known id with another text or other metadata: skip it and say so, update the "
        "document, or fail.",
        rich_help_panel=PANEL,
    ),
]


def source_options(
    *,
    text_column: TextColumnOption = "text",
    id_column: IdColumnOption = None,
    input_format: FormatOption = None,
    split: SplitOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    on_duplicate: DuplicateOption = "skip",
) -> dict[str, Any]:
    """How to read what is imported, as arguments of `Lake.import_corpus`."""
    return {
        "text_column": text_column,
        "id_column": id_column,
        "format": input_format,
        "split": split,
        "delimiter": delimiter,
        "encoding": encoding,
        "on_duplicate": on_duplicate,
    }
